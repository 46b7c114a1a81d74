// What an attacker may send, from dice: requests of each protocol with nonsense in every place, raw, so that no client
// library puts them right. Knows nothing of what is answered.

import type { Dice } from '../conformance/dice.js';

export const fuzzed = ['byte-offset', 'chunks', 'tus', 'ietf'] as const;
export type Fuzzed = (typeof fuzzed)[number];

export interface HostileRequest {
  readonly bytes: Buffer;
  /** `whole`: sent, then ended. `cut`: reset after `cutAt` bytes. `drip`: the first bytes come one by one. */
  readonly way: 'whole' | 'cut' | 'drip';
  readonly cutAt: number;
}

/** Made nowhere if all is well. */
export const MARK = 'backhaul-fuzz-mark';
const up = '../'.repeat(8);

const numbers = [
  '0',
  '1',
  '2',
  '100',
  '1000',
  '-1',
  '-0',
  '1e3',
  '0x10',
  ' 7',
  '',
  'NaN',
  'Infinity',
  '1.5',
  '٣',
  '9007199254740993',
  '9007199254740991',
  '99999999999999999999',
  '18446744073709551616',
  '10737418240',
  '4096, 4096',
  '?1',
];
const ids = [
  '..',
  '.',
  '../..',
  `${up}tmp/${MARK}`,
  `..%2f..%2f${MARK}`,
  `%2e%2e/${MARK}`,
  `/tmp/${MARK}`,
  `C:\\${MARK}`,
  `${MARK}\0.png`,
  '%00',
  '__proto__',
  'constructor',
  'con',
  'a'.repeat(1024),
  'a'.repeat(1025),
  'b'.repeat(9000),
  '\xff\xfe',
  '%E7%8C%AB',
  'id',
  "'; --",
  '<script>',
  'contents.log',
  '.meta',
  'x.complete',
];
const texts = [
  '',
  '{',
  'null',
  '[]',
  '{"filename":1}',
  '{"__proto__":{"a":"b"}}',
  encodeURIComponent(`{"filename":"${up}${MARK}"}`),
  encodeURIComponent('{"filename":"<img src=x onerror=alert(1)>","filetype":"text/html"}'),
  '%',
  '%E0%A4',
  'x'.repeat(8193),
  '"\\ud800"',
];
const types = [
  'application/partial-upload',
  'application/offset+octet-stream',
  'application/json',
  'text/html',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  `multipart/form-data; boundary=${'-'.repeat(80)}`,
  'application/x-www-form-urlencoded',
  '\x7f',
];
const plain = [
  '/',
  '//',
  '/..',
  `/${up}canary.txt`,
  `/..%2f..%2fcanary.txt`,
  '/%2e%2e/canary.txt',
  '/..\\canary.txt',
  '/%',
  '/%00',
  '/\xff',
  '*',
  'http://evil.example/api/upload',
  '/healthz',
  '/api/photos',
  '/api/photos?limit=-1&after=..',
  `/api/photos/${up}canary.txt`,
  '/api/photos/%00',
  `/api/photos/${'a'.repeat(64)}`,
  '/sw.js',
  '/__proto__',
  `/${'a'.repeat(20_000)}`,
];
const methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'get',
  'G ET',
  '',
  'POST\0',
  'X'.repeat(300),
];
const usual: Readonly<Record<Fuzzed, readonly [path: string, methods: readonly string[]]>> = {
  'byte-offset': ['/api/upload', ['POST', 'POST', 'GET']],
  chunks: ['/api/chunks', ['POST', 'POST', 'GET', 'DELETE']],
  tus: ['/api/tus', ['POST', 'PATCH', 'HEAD', 'DELETE', 'OPTIONS']],
  ietf: ['/api/resumable', ['POST', 'PATCH', 'HEAD', 'DELETE', 'OPTIONS']],
};

/** What a request says; each part of it right, or nonsense, as the dice have it. */
interface Story {
  readonly id: () => string;
  readonly name: () => string;
  readonly size: () => string;
  readonly offset: () => string;
  readonly body: Uint8Array;
}

/** A small pool of files, so that requests meet on one; every second request is right but for a place or two. */
function storyOf(dice: Dice): Story {
  const right = dice.chance(0.5) ? 0.95 : 0.4;
  const nth = dice.between(1, 40);
  const sizeBytes = nth * 20;
  const half = dice.chance(0.4) ? sizeBytes / 2 : sizeBytes;
  const number = (truth: number) =>
    dice.chance(right) ? String(truth) : dice.pick([...numbers, String(dice.between(0, 300))]);
  const wild = dice.chance(0.1) ? 70_000 : 300;
  return {
    id: () => (dice.chance(right) ? `file-${nth}` : dice.pick(ids)),
    name: () => (dice.chance(right) ? `fuzzed-${nth}` : dice.pick(ids)),
    size: () => number(sizeBytes),
    offset: () => number(dice.chance(0.3) ? half : 0),
    body: dice.bytes(dice.chance(right) ? half : dice.between(0, wild)),
  };
}

export function hostileRequest(dice: Dice, protocol: Fuzzed): HostileRequest {
  const story = storyOf(dice);
  const [, verbs] = usual[protocol];
  const method = dice.chance(0.9) ? dice.pick(verbs) : dice.pick(methods);
  const target = dice.chance(0.12) ? dice.pick(plain) : addressOf(dice, protocol, method, story);
  const headers = headersOf(dice, protocol, story);
  const content = protocol === 'chunks' && dice.chance(0.6) ? form(dice, headers, story) : Buffer.from(story.body);
  const lines = headers.filter(() => dice.chance(0.97)).map(([name, value]) => `${name}: ${value}\r\n`);
  const version = dice.chance(0.97) ? 'HTTP/1.1' : dice.pick(['HTTP/1.0', 'HTTP/9.9', 'HTTP/1.1 ', '']);
  const head = `${method} ${target} ${version}\r\n${lines.join('')}${lengthOf(dice, content.length)}\r\n`;
  const once = Buffer.concat([Buffer.from(head, 'latin1'), content]);
  const bytes = dice.chance(0.05) ? Buffer.concat([once, once]) : scrambled(dice, once);
  const way = dice.chance(0.8) ? 'whole' : dice.pick(['cut', 'drip'] as const);
  return { bytes, way, cutAt: dice.between(0, bytes.length) };
}

function addressOf(dice: Dice, protocol: Fuzzed, method: string, { id, name, size, offset }: Story): string {
  const [path] = usual[protocol];
  if (protocol === 'byte-offset') return (method === 'GET') === dice.chance(0.95) ? '/api/status' : path;
  if (protocol !== 'chunks') return (method === 'POST') === dice.chance(0.95) ? path : `${path}/${name()}`;
  const hash = dice.chance(0.9) ? '' : dice.pick(['zz', 'a'.repeat(32)]);
  const query = `?id=${id()}&size=${size()}&chunkSize=${size()}&index=${offset()}&hash=${hash}`;
  return dice.chance(0.2) ? `${path}/merge${query}` : path + query;
}

function headersOf(dice: Dice, protocol: Fuzzed, { id, name, size, offset }: Story): [string, string][] {
  const common: [string, string][] = [
    ['Host', dice.chance(0.95) ? 'localhost' : dice.pick(['evil.example', '', '\0'])],
  ];
  if (dice.chance(0.1)) common.push(['Origin', dice.pick(['https://evil.example', 'null', 'x\tY'])]);
  if (dice.chance(0.1))
    common.push([
      'Range',
      dice.pick(['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=0-0,1-1', `bytes=${offset()}-${size()}`]),
    ]);
  if (dice.chance(0.02)) common.push([dice.pick(['X', 'X Y', '', 'Cookie']), 'y'.repeat(dice.between(0, 20_000))]);
  const flag = () => (dice.chance(0.9) ? dice.pick(['?0', '?1']) : dice.pick(['?2', 'true', '']));
  const named = Buffer.from(name()).toString('base64');
  const own: Readonly<Record<Fuzzed, () => [string, string][]>> = {
    'byte-offset': () => [
      ['X-File-Id', id()],
      ['X-Start-Byte', offset()],
      ['X-File-Size', size()],
      ['X-File-Metadata', dice.chance(0.85) ? '{}' : dice.pick(texts)],
    ],
    chunks: () => [['Content-Type', dice.pick(types)]],
    tus: () => [
      ['Tus-Resumable', dice.pick(['1.0.0', '1.0.0', '1.0.0', '1.0.0', '1.0.0', '0'])],
      ['Upload-Length', size()],
      ['Upload-Offset', offset()],
      ['Upload-Metadata', dice.chance(0.85) ? `id ${named},filename ${named}` : dice.pick([',', '=', 'id'])],
      ['Content-Type', dice.chance(0.9) ? 'application/offset+octet-stream' : dice.pick(types)],
    ],
    ietf: () => [
      ['Upload-Draft-Interop-Version', dice.chance(0.9) ? '9' : size()],
      ['Upload-Complete', flag()],
      ['Upload-Length', size()],
      ['Upload-Offset', offset()],
      ['Content-Type', dice.chance(0.9) ? 'application/partial-upload' : dice.pick(types)],
      ['Content-Disposition', dice.pick([`inline; filename*=UTF-8''${up}${MARK}`, "filename*=UTF-8''%", 'filename="'])],
    ],
  };
  return [...common, ...own[protocol]()];
}

/** A form that is nearly right; takes the place of whatever Content-Type was said. */
function form(dice: Dice, headers: [string, string][], { id, size, offset, body }: Story): Buffer {
  headers.splice(0, headers.length, ['Host', 'localhost'], ['Content-Type', 'multipart/form-data; boundary=b']);
  const metadata = dice.chance(0.85) ? '{}' : dice.pick(texts);
  const fields = { id: id(), size: size(), chunkSize: size(), index: offset(), metadata, name: id() };
  const parts = Object.entries(fields).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const file = `--b\r\nContent-Disposition: form-data; name="file"; filename="${id()}"\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(parts.join('') + file, 'latin1'),
    body,
    Buffer.from(dice.chance(0.8) ? '\r\n--b--\r\n' : ''),
  ]);
}

function lengthOf(dice: Dice, bytes: number): string {
  if (dice.chance(0.8)) return `Content-Length: ${bytes}\r\n`;
  return dice.pick([
    '',
    'Content-Length: -1\r\n',
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    `Content-Length: ${bytes * 1000}\r\n`,
    'Transfer-Encoding: chunked\r\n',
    `Transfer-Encoding: chunked\r\nContent-Length: ${bytes}\r\n`,
    'Content-Length: 99999999999999999999\r\n',
    'Expect: 100-continue\r\n',
  ]);
}

/** One byte in thirty requests is another. */
function scrambled(dice: Dice, bytes: Buffer): Buffer {
  if (dice.chance(0.03) && bytes.length > 0)
    bytes[dice.between(0, Math.min(bytes.length, 400) - 1)] = dice.between(0, 255);
  return bytes;
}
