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
  readonly method: string;
  /** Which file of the pool it is about. */
  readonly nth: number;
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
  'a'.repeat(4096),
  'a'.repeat(4097),
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
// Deleted seldom, so that there is something to reach.
const resourceVerbs = ['POST', 'POST', 'POST', 'PATCH', 'PATCH', 'PATCH', 'HEAD', 'HEAD', 'DELETE', 'OPTIONS'];
const usual: Readonly<Record<Fuzzed, readonly [path: string, methods: readonly string[]]>> = {
  'byte-offset': ['/api/upload', ['POST', 'POST', 'GET']],
  chunks: ['/api/chunks', ['POST', 'POST', 'POST', 'POST', 'GET', 'GET', 'DELETE']],
  tus: ['/api/tus', resourceVerbs],
  ietf: ['/api/resumable', resourceVerbs],
};

/** What a request says; each part of it right, or nonsense, as the dice have it. */
interface Story {
  /** True as often as `probability` has it; always, in a request without a fault. */
  readonly mostly: (probability: number) => boolean;
  readonly id: () => string;
  readonly name: () => string;
  readonly size: () => string;
  readonly offset: () => string;
  readonly body: Uint8Array;
}

/** So few that there is an upload for most of them at any time. */
const FILES = 12;

/**
 * A small pool of files, so that requests meet on one. Some requests are without a fault: they make the uploads that the
 * others are after. Most of the rest are right but for a place or two.
 */
function storyOf(dice: Dice, nth: number, place: string): Story {
  const isSound = dice.chance(0.25);
  const mostly = (probability: number) => isSound || dice.chance(probability);
  const right = dice.chance(0.5) ? 0.95 : 0.4;
  const sizeBytes = nth * 20;
  const bodyBytes = dice.pick([0, sizeBytes / 2, sizeBytes / 2, sizeBytes]);
  const number = (truth: number) =>
    mostly(right) ? String(truth) : dice.pick([...numbers, String(dice.between(0, 300))]);
  const wild = dice.chance(0.1) ? 70_000 : 300;
  return {
    mostly,
    id: () => (mostly(right) ? `file-${nth}` : dice.pick(ids)),
    name: () => (mostly(right) ? place : dice.pick(ids)),
    size: () => number(sizeBytes),
    offset: () => number(dice.pick([0, 0, sizeBytes / 2])),
    body: dice.bytes(mostly(right) ? bodyBytes : dice.between(0, wild)),
  };
}

/** `places`: where the files of the pool are, at a server that gives names of its own. */
export function hostileRequest(dice: Dice, protocol: Fuzzed, places: ReadonlyMap<number, string>): HostileRequest {
  const nth = dice.between(1, FILES);
  const story = storyOf(dice, nth, places.get(nth) ?? `fuzzed-${nth}`);
  const [, verbs] = usual[protocol];
  const { mostly } = story;
  const method = mostly(0.9) ? dice.pick(verbs) : dice.pick(methods);
  const target = mostly(0.88) ? addressOf(dice, protocol, method, story) : dice.pick(plain);
  const headers = headersOf(dice, protocol, method, story);
  const content = protocol === 'chunks' && dice.chance(0.6) ? form(dice, headers, story) : Buffer.from(story.body);
  const lines = headers.filter(() => mostly(0.97)).map(([name, value]) => `${name}: ${value}\r\n`);
  const version = mostly(0.97) ? 'HTTP/1.1' : dice.pick(['HTTP/1.0', 'HTTP/9.9', 'HTTP/1.1 ', '']);
  const head = `${method} ${target} ${version}\r\n${lines.join('')}${lengthOf(dice, story, content.length)}\r\n`;
  const once = Buffer.concat([Buffer.from(head, 'latin1'), content]);
  const bytes = mostly(0.95) ? scrambled(dice, story, once) : Buffer.concat([once, once]);
  const way = mostly(0.8) ? 'whole' : dice.pick(['cut', 'drip'] as const);
  return { bytes, way, cutAt: dice.between(0, bytes.length), method, nth };
}

function addressOf(dice: Dice, protocol: Fuzzed, method: string, { mostly, id, name, size, offset }: Story): string {
  const [path] = usual[protocol];
  if (protocol === 'byte-offset') return (method === 'GET') === mostly(0.95) ? '/api/status' : path;
  if (protocol !== 'chunks') return (method === 'POST') === mostly(0.95) ? path : `${path}/${name()}`;
  const hash = mostly(0.9) ? '' : dice.pick(['zz', 'a'.repeat(32)]);
  const query = `?id=${id()}&size=${size()}&chunkSize=${size()}&index=${offset()}&hash=${hash}`;
  return dice.chance(0.2) ? `${path}/merge${query}` : path + query;
}

function headersOf(
  dice: Dice,
  protocol: Fuzzed,
  method: string,
  { mostly, id, name, size, offset }: Story,
): [string, string][] {
  const common: [string, string][] = [['Host', mostly(0.95) ? 'localhost' : dice.pick(['evil.example', '', '\0'])]];
  if (!mostly(0.9)) common.push(['Origin', dice.pick(['https://evil.example', 'null', 'x\tY'])]);
  if (!mostly(0.9))
    common.push([
      'Range',
      dice.pick(['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=0-0,1-1', `bytes=${offset()}-${size()}`]),
    ]);
  if (!mostly(0.98)) common.push([dice.pick(['X', 'X Y', '', 'Cookie']), 'y'.repeat(dice.between(0, 20_000))]);
  const flag = () => (mostly(0.9) ? dice.pick(['?0', '?0', '?1']) : dice.pick(['?2', 'true', '']));
  const named = Buffer.from(name()).toString('base64');
  const own: Readonly<Record<Fuzzed, () => [string, string][]>> = {
    'byte-offset': () => [
      ['X-File-Id', id()],
      ['X-Start-Byte', offset()],
      ['X-File-Size', size()],
      ['X-File-Metadata', mostly(0.85) ? '{}' : dice.pick(texts)],
    ],
    chunks: () => [['Content-Type', dice.pick(types)]],
    tus: () => [
      ['Tus-Resumable', mostly(0.8) ? '1.0.0' : '0'],
      // @tus/server takes none with a body to an upload whose length is known.
      ...(method === 'PATCH' && mostly(0.9) ? [] : [['Upload-Length', size()] satisfies [string, string]]),
      ['Upload-Offset', offset()],
      ['Upload-Metadata', mostly(0.85) ? `id ${named},filename ${named}` : dice.pick([',', '=', 'id'])],
      ['Content-Type', mostly(0.9) ? 'application/offset+octet-stream' : dice.pick(types)],
    ],
    ietf: () => [
      ['Upload-Draft-Interop-Version', mostly(0.9) ? '9' : size()],
      ['Upload-Complete', flag()],
      ['Upload-Length', size()],
      ['Upload-Offset', offset()],
      ['Content-Type', mostly(0.9) ? 'application/partial-upload' : dice.pick(types)],
      [
        'Content-Disposition',
        mostly(0.3) ? `inline; filename*=UTF-8''${up}${MARK}` : dice.pick(["filename*=UTF-8''%", 'filename="']),
      ],
    ],
  };
  return [...common, ...own[protocol]()];
}

/** A form that is nearly right; takes the place of whatever Content-Type was said. */
function form(dice: Dice, headers: [string, string][], { mostly, id, size, offset, body }: Story): Buffer {
  headers.splice(0, headers.length, ['Host', 'localhost'], ['Content-Type', 'multipart/form-data; boundary=b']);
  const metadata = mostly(0.85) ? '{}' : dice.pick(texts);
  const fields = { id: id(), size: size(), chunkSize: size(), index: offset(), metadata, name: id() };
  const parts = Object.entries(fields).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const file = `--b\r\nContent-Disposition: form-data; name="file"; filename="${id()}"\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(parts.join('') + file, 'latin1'),
    body,
    Buffer.from(mostly(0.8) ? '\r\n--b--\r\n' : ''),
  ]);
}

function lengthOf(dice: Dice, { mostly }: Story, bytes: number): string {
  if (mostly(0.8)) return `Content-Length: ${bytes}\r\n`;
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
function scrambled(dice: Dice, { mostly }: Story, bytes: Buffer): Buffer {
  if (!mostly(0.97) && bytes.length > 0) bytes[dice.between(0, Math.min(bytes.length, 400) - 1)] = dice.between(0, 255);
  return bytes;
}
