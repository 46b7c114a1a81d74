// The little XML that S3 speaks, without a DOM, which workers do not have. Strict: what is not plain elements, text and
// the five entities (a DOCTYPE, CDATA, a comment, an answer that was cut) is no answer at all.

export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** S3's deepest answer has five levels. */
const DEEPEST = 16;
const NAME = '[A-Za-z_][\\w.:-]*';
/** A tag (with attributes, which are skipped), or text. One pass, no position is looked at twice. */
const token = new RegExp(`<(/?)(${NAME})(?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*\\s*(/?)>|([^<]+)`, 'y');
const entities = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** The root element; undefined for anything that is not one well-formed document. */
export function parseXml(document: string): XmlElement | undefined {
  // Blanks come first while S3 makes a client wait.
  const source = document.replace(/^\s*<\?xml\s[^?<>]*\?>/, '').trim();
  const top = { name: '', text: '', children: [] as XmlElement[] };
  const open = [top];
  token.lastIndex = 0;
  while (token.lastIndex < source.length) {
    const found = token.exec(source);
    const parent = open.at(-1);
    if (found === null || parent === undefined) return undefined;
    const [, closing, name, empty, text] = found;
    if (text !== undefined) {
      const decoded = decode(text);
      if (decoded === undefined) return undefined;
      parent.text += decoded;
    } else if (closing) {
      if (empty || parent.name !== name) return undefined;
      open.pop();
    } else {
      const element = { name: name ?? '', text: '', children: [] };
      parent.children.push(element);
      if (!empty && open.push(element) > DEEPEST) return undefined;
    }
  }
  return open.length === 1 && top.text === '' && top.children.length === 1 ? top.children[0] : undefined;
}

/** Text of the first child of that name; undefined without one. */
export function childText(element: XmlElement | undefined, name: string): string | undefined {
  return element?.children.find((child) => child.name === name)?.text;
}

export function encodeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function decode(text: string): string | undefined {
  let isSound = true;
  const decoded = text.replace(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(\w+))?(;?)/g, (_, decimal, hex, name, end) => {
    const point = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    const character = name ? entities.get(name) : point <= 0x10ffff ? String.fromCodePoint(point) : undefined;
    isSound &&= end !== '' && character !== undefined;
    return character ?? '';
  });
  return isSound ? decoded : undefined;
}
