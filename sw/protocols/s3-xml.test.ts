// S3's XML, read strictly: a document is understood whole, or is no answer.

import { describe, expect, test } from 'vitest';
import { childText, encodeXml, parseXml } from './s3-xml.js';

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>';

describe('a document', () => {
  test('is its elements and their text', () => {
    const root = parseXml(`\n  ${DECLARATION}\n<A xmlns="http://a/" b='c"d'>\n <B>1</B><C/><B>2</B>\n</A >\n`);
    expect(root?.name).toBe('A');
    expect(root?.children.map(({ name, text }) => [name, text])).toEqual([
      ['B', '1'],
      ['C', ''],
      ['B', '2'],
    ]);
    expect(childText(root, 'B')).toBe('1');
    expect(childText(root, 'D')).toBeUndefined();
    expect(childText(undefined, 'D')).toBeUndefined();
  });

  test.each([
    ['&quot;a&quot;', '"a"'],
    ['&lt;&gt;&amp;&apos;', `<>&'`],
    ['&#34;&#x22;&#x1F600;', '""😀'],
    ['&amp;lt;', '&lt;'],
  ])('has %j as %j', (written, text) => {
    expect(parseXml(`<A>${written}</A>`)?.text).toBe(text);
  });

  test.each(['"abc"', `<&>"'`, '文件 😀', 'a&amp;b', ''])('%j survives writing and reading', (text) => {
    expect(parseXml(`<A>${encodeXml(text)}</A>`)?.text).toBe(text);
  });

  test('whose elements are named like parts of objects is only that', () => {
    const root = parseXml('<A><__proto__>x</__proto__><constructor>y</constructor></A>');
    expect(childText(root, '__proto__')).toBe('x');
    expect(childText(root, 'toString')).toBeUndefined();
  });
});

describe('no document', () => {
  test.each([
    ['nothing', ''],
    ['blanks', '  \n '],
    ['text', 'OK'],
    ['JSON', '{"a":"<A/>"}'],
    ['text before the root', 'x<A/>'],
    ['text after the root', '<A/>x'],
    ['two roots', '<A/><B/>'],
    ['a declaration alone', DECLARATION],
    ['two declarations', `${DECLARATION}${DECLARATION}<A/>`],
    ['an end that is missing', '<A><B></B>'],
    ['an end too many', '<A/></B>'],
    ['another end', '<A><B></A></B>'],
    ['a tag that was cut', '<A><B'],
    ['an attribute that was cut', '<A b="<A/>'],
    ['an attribute without quotes', '<A b=c/>'],
    ['an end that is also empty', '</A/>'],
    ['a DOCTYPE', '<!DOCTYPE html><html></html>'],
    ['entities of its own', '<!DOCTYPE a [<!ENTITY b "c">]><A>&b;</A>'],
    ['an unknown entity', '<A>&nbsp;</A>'],
    ['an entity without its end', '<A>&lt</A>'],
    ['a bare ampersand', '<A>a & b</A>'],
    ['a character beyond Unicode', '<A>&#x110000;</A>'],
    ['CDATA', '<A><![CDATA[x]]></A>'],
    ['a comment', '<A><!-- x --></A>'],
    ['an instruction', '<A><?php x ?></A>'],
    ['a depth without end', '<A>'.repeat(100) + '</A>'.repeat(100)],
  ])('%s', (_, document) => {
    expect(parseXml(document)).toBeUndefined();
  });

  test.each([
    ['blanks', `<A${' '.repeat(300_000)}`],
    ['attributes', `<A${' a="b"'.repeat(50_000)}`],
    ['names', `<${'A'.repeat(300_000)}`],
    ['ampersands', `<A>${'&'.repeat(300_000)}`],
    ['opened tags', '<A>'.repeat(100_000)],
    ['opened brackets', '<'.repeat(300_000)],
    ['a declaration', `<?xml ${' '.repeat(300_000)}`],
  ])('of 300 kB of %s is found in no time', (_, document) => {
    const startedAtMs = performance.now();
    expect(parseXml(document)).toBeUndefined();
    expect(performance.now() - startedAtMs).toBeLessThan(1000);
  });
});
