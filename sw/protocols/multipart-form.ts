// Builds multipart/form-data around a Blob that is never read: worker fetches take bodies as Blobs, and a FormData's
// own would not say how large it is. Knows no protocol.

/** Value by field name; what is undefined is left out. */
export type Fields = Readonly<Record<string, string | number | undefined>>;

export function entriesOf(fields: Fields): [name: string, value: string][] {
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
}

/** RFC 7578, as HTML has browsers do it: the fields in order, the file last, so that a server knows what it reads. */
export function multipartForm(fields: Fields, file?: readonly [field: string, name: string, bytes: Blob]): Blob {
  // Of lower case: a Blob's type loses the other.
  const boundary = `backhaul-${crypto.randomUUID()}`;
  const part = (name: string, more = '') =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"${more}`;
  const parts: BlobPart[] = entriesOf(fields).map(
    ([name, value]) => `${part(name)}\r\n\r\n${value.replace(/\r\n?|\n/g, '\r\n')}\r\n`,
  );
  if (file !== undefined) {
    const [field, name, bytes] = file;
    const more = `; filename="${quoted(name)}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    parts.push(part(field, more), bytes, '\r\n');
  }
  return new Blob([...parts, `--${boundary}--\r\n`], { type: `multipart/form-data; boundary=${boundary}` });
}

/** https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
function quoted(name: string): string {
  return name.replace(/[\n\r"]/g, encodeURIComponent);
}
