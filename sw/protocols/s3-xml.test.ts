// S3's XML, read strictly: a document is understood whole, or is no answer.

import { describe, expect, test } from 'vitest';
import { childText, parseXml } from './s3-xml.js';

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

  // An ETag is sent back as it was written; no entity is ever looked up.
  test.each([
    '&quot;a&quot;',
    '&lt;&gt;&amp;&apos;',
    '&#34;&#x22;&#x1F600;',
    '&amp;lt;',
    '&nbsp;',
    '&#x110000;',
    '"a"',
    '文件 😀',
  ])('has %j as it is written', (written) => {
    expect(parseXml(`<A>${written}</A>`)?.text).toBe(written);
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

describe('the worst that a server can write', () => {
  const laughs = Array.from({ length: 10 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join('');
  test.each([
    ['entities that grow to billions', `<!DOCTYPE a [<!ENTITY l0 "ha">${laughs}]><A>&l10;</A>`],
    [
      'an entity that is long and often used',
      `<!DOCTYPE a [<!ENTITY b "${'x'.repeat(1000)}">]><A>${'&b;'.repeat(1000)}</A>`,
    ],
    ['an entity from a file', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><A>&b;</A>'],
    ['an entity from another server', '<!DOCTYPE a SYSTEM "https://evil.example/a.dtd"><A/>'],
    ['a parameter entity', '<!DOCTYPE a [<!ENTITY % b "c"> %b;]><A/>'],
    ['entities behind a declaration', `${DECLARATION}<!DOCTYPE a [<!ENTITY b "c">]><A>&b;</A>`],
    ['entities behind the root', '<A/><!DOCTYPE a>'],
    ['an entity that calls itself by number', '<A>&#38;#38;#60;B/&#62;</A>x'],
    ['CDATA that hides an element', '<A><![CDATA[<PartNumber>1</PartNumber>]]></A>'],
    ['CDATA around a value', '<A><PartNumber><![CDATA[1]]></PartNumber></A>'],
    ['CDATA in CDATA', '<A><![CDATA[<![CDATA[x]]]]></A>'],
    ['CDATA without an end', '<A><![CDATA[x</A>'],
    ['a comment before the root', '<!-- x --><A/>'],
    ['a comment around an element', '<A><!-- <B>1</B> --></A>'],
    ['a comment in a value', '<A><B>1<!-- x -->2</B></A>'],
    ['a comment in a name', '<A><B<!-- x -->>1</B></A>'],
    ['a comment without an end', '<A><!-- x</A>'],
    ['a style sheet', '<?xml-stylesheet href="https://evil.example/a.xsl"?><A/>'],
    ['UTF-16 that is read as UTF-8', Buffer.from('<A><B>1</B></A>', 'utf16le').toString('utf8')],
    ['UTF-7', '+ADw-A+AD4-1+ADw-/A+AD4-'],
    ['UTF-8 that is read as UTF-16', Buffer.from('<A><B>1</B></A> ').toString('utf16le')],
    ['an element too deep by one', `${'<A>'.repeat(16)}${'</A>'.repeat(16)}`],
    ['names that differ in case', '<A></a>'],
    ['names that only look alike', '<A></\u0410>'],
  ])('what a hostile server writes is no document: %s', (_, document) => {
    expect(parseXml(document)).toBeUndefined();
  });

  test('nor is any beginning of one', () => {
    const whole = `${DECLARATION}<A b="c"><B>1</B><C/><D>&quot;&#34;</D></A>`;
    expect(parseXml(whole)).toBeDefined();
    for (let end = 0; end < whole.length; end += 1)
      expect(parseXml(whole.slice(0, end)), whole.slice(0, end)).toBeUndefined();
  });
});

describe('what is odd, and yet a document, is read without surprise', () => {
  test.each<[string, string, readonly [name: string, text: string][]]>([
    [
      'an element twice: both are there, the first one counts',
      '<A><B>1</B><B>2</B></A>',
      [
        ['B', '1'],
        ['B', '2'],
      ],
    ],
    ['an attribute twice', '<A b="1" b="2"><B>1</B></A>', [['B', '1']]],
    ['a prefix, which is part of the name', '<A><s3:B xmlns:s3="x">1</s3:B></A>', [['s3:B', '1']]],
    ['another encoding than it says', '<?xml version="1.0" encoding="UTF-16"?><A><B>文</B></A>', [['B', '文']]],
    ['a byte order mark', '\ufeff<A><B>1</B></A>', [['B', '1']]],
    ['an entity of an entity: not decoded', '<A><B>&amp;amp;lt;</B></A>', [['B', '&amp;amp;lt;']]],
    ['text around an element: joined', '<A><B>1<C/>2</B></A>', [['B', '12']]],
    ['markup written in entities: text', '<A><B>&lt;C&gt;1&lt;/C&gt;</B></A>', [['B', '&lt;C&gt;1&lt;/C&gt;']]],
  ])('%s', (_, document, children) => {
    const root = parseXml(document);
    expect(root?.children.map(({ name, text }) => [name, text])).toEqual(children);
  });

  test('as deep as S3 goes, and deeper', () => {
    expect(parseXml(`${'<A>'.repeat(15)}x${'</A>'.repeat(15)}`)).toBeDefined();
  });
});
