// The little XML that S3 speaks, without a DOM, which workers do not have. Strict: what is not plain elements and text (a
// DOCTYPE, CDATA, a comment, an answer that was cut) is no answer at all. Text stays as it is written, entities and all:
// so an ETag can go back in the same writing.

export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** S3's deepest answer has five levels. */
const DEEPEST = 16;
const NAME = '[A-Za-z_][\\w.:-]*';
/**
 * A tag (with attributes, which are skipped), or text. One pass, no position is looked at twice. Made by a pure call, so
 * that a bundler drops it where S3 is not used.
 */
const token = /* @__PURE__ */ (() =>
  new RegExp(`<(/?)(${NAME})(?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*\\s*(/?)>|([^<]+)`, 'y'))();

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
    if (text !== undefined) parent.text += text;
    else if (closing) {
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
