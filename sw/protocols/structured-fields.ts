// As much of Structured Field Values (RFC 9651) as Upload-Complete and Upload-Limit need: a boolean, and the integers of
// a dictionary. A value that does not parse is as if it were not there, which is what the RFC asks for.

// Made by a pure call, so that a bundler drops them where no protocol needs them.
const syntax = /* @__PURE__ */ (() => {
  const key = '[a-z*][a-z0-9_.*-]*';
  /** Integer or decimal, string, token, bytes, boolean, date, display string. */
  const bare = String.raw`(?:-?\d{1,15}(?:\.\d{1,3})?|"(?:[ !#-\[\]-~]|\\["\\])*"|[A-Za-z*][\w:/!#$%&'*+.^\x60|~-]*|:[\w+/=-]*:|\?[01]|@-?\d{1,15}|%"[ !#-~]*")`;
  const parameters = `(?:; *${key}(?:=${bare})?)*`;
  const list = String.raw`\( *(?:${bare}${parameters}(?: +${bare}${parameters})*)? *\)`;
  return {
    boolean: new RegExp(`^ *\\?([01])${parameters} *$`),
    member: new RegExp(`(${key})(?:=(${bare}|${list}))?${parameters}`, 'y'),
  };
})();
const comma = /[ \t]*,[ \t]*/y;

/** An item that is a boolean. */
export function booleanItem(value: string | null): boolean | undefined {
  const digit = syntax.boolean.exec(value ?? '')?.[1];
  return digit === undefined ? undefined : digit === '1';
}

/** A dictionary's members as they stand, or none at all. The last of two with one key counts. */
export function dictionary(value: string | null): ReadonlyMap<string, string> {
  const { member } = syntax;
  const members = new Map<string, string>();
  const text = (value ?? '').trim();
  for (let at = 0; at < text.length; at = comma.lastIndex) {
    member.lastIndex = at;
    const [, name, item = '?1'] = member.exec(text) ?? [];
    if (name === undefined) return new Map();
    members.set(name, item);
    if (member.lastIndex === text.length) return members;
    comma.lastIndex = member.lastIndex;
    // A comma must have something after it.
    if (!comma.test(text) || comma.lastIndex === text.length) return new Map();
  }
  return members;
}
