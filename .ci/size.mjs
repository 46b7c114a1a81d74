// Prints what an app's users download: what its bundler makes of the published files, minified by Terser and compressed
// with brotli. Fails above a budget or where the README says something else.
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import { library, published } from './library.mjs';
import { smallest } from './smallest.mjs';

const parts = [
  { name: 'page: Backhaul, with workbox-window', code: `export { Backhaul } from './src/index.ts'`, budgetBytes: 6000 },
  {
    name: 'worker: installBackhaul and byteOffset, with idb',
    code: `import { byteOffset, installBackhaul } from './sw/index.ts';
           installBackhaul({ endpoints: { photos: byteOffset({ statusUrl: '/status', uploadUrl: '/upload' }) } })`,
    budgetBytes: 12_000,
  },
];

// Each is what it adds to a worker that has byteOffset: what all protocols share (HTTP, refusals) counts once, in that
// worker's own line, since whoever uses one protocol has it too. The part of the loop that sends side by side, which chunks
// and S3 share, is in the figure of each; it has a line of its own, too.
const inParts = '{ ...photos, parts: inParts }';
const adapters = {
  chunks: `chunks({ chunk: { url: '/c' }, ask: chunkList({ url: '/c' }), merge: { url: '/m' } })`,
  'chunks with a content hash': `chunks({ chunk: { url: '/c' }, ask: chunkList({ url: '/c' }), merge: { url: '/m' }, hash: contentHash(self.hasher) })`,
  tus: `tus({ endpoint: '/files' })`,
  IETF: `resumableUpload({ endpoint: '/resumable' })`,
  S3: `s3({ sign: self.sign })`,
};
const ADAPTER_BUDGET_BYTES = 2500;

const plugins = [published(await library())];
const figures = [];
for (const { name, code, budgetBytes } of parts) figures.push(check(name, await bytesOf(code), budgetBytes));

const aloneBytes = await bytesOf(workerWith());
const sideBySideBytes = (await bytesOf(workerWith(inParts))) - aloneBytes;
const sideBySide = check('sending side by side, for chunks and S3', sideBySideBytes, ADAPTER_BUDGET_BYTES);
const added = [];
for (const [name, adapter] of Object.entries(adapters)) {
  const shared = /^(chunks|s3)\(/.test(adapter) ? sideBySideBytes : 0;
  const bytes = (await bytesOf(workerWith(adapter))) - aloneBytes;
  check(`adapter: ${name}`, bytes, ADAPTER_BUDGET_BYTES);
  added.push(`${name} ${kilobytes(bytes - shared)}`);
}

// What an app's worker has only if it calls for it.
const additions = {
  shareTarget: `shareTarget(backhaul, { action: '/share', files: 'photos', endpoint: 'photos', redirect: '/?shared' })`,
  notify: `notify(backhaul, { done: () => ({ title: 'Done' }), signIn: () => ({ title: 'Sign in' }) })`,
  appBadge: `appBadge(backhaul)`,
  checkRoom: `checkRoom(backhaul)`,
  backgroundFetch: `backgroundFetch(backhaul, { endpoints: ['photos'] })`,
  policies: `policies(backhaul, { photos: { unmetered: true } })`,
  userWishes: `userWishes(policies(backhaul, { photos: { unmetered: true } }))`,
};
/** What it is called with is in another's figure. */
const beside = { userWishes: 'policies' };
const ADDITION_BUDGET_BYTES = 1000;
/** It has a protocol with its pages of its own. */
const BACKGROUND_FETCH_BUDGET_BYTES = 1400;
const extras = [];
const wholeBytes = {};
for (const [name, addition] of Object.entries(additions)) {
  wholeBytes[name] = await bytesOf(workerWith(undefined, addition));
  const bytes = wholeBytes[name] - (wholeBytes[beside[name]] ?? aloneBytes);
  extras.push(
    `\`${name}()\` ${check(`addition: ${name}`, bytes, name === 'backgroundFetch' ? BACKGROUND_FETCH_BUDGET_BYTES : ADDITION_BUDGET_BYTES)}`,
  );
}

const sentences = [
  `Page part: ${figures[0]}. Worker with one protocol: ${figures[1]}.`,
  `Another protocol adds: ${added.join(', ')}; chunks and S3 share another ${sideBySide}.`,
  `Only if called: ${extras.join(', ')}.`,
];
const readme = readFileSync('README.md', 'utf8').replace(/\s+/g, ' ');
for (const sentence of sentences) {
  if (readme.includes(sentence)) continue;
  console.log(`README.md must say: ${sentence}`);
  process.exitCode = 1;
}

function check(name, bytes, budgetBytes) {
  console.log(`${name}: ${bytes} of ${budgetBytes} bytes`);
  if (bytes > budgetBytes) process.exitCode = 1;
  return kilobytes(bytes);
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function workerWith(adapter, addition = '') {
  return `
    import { appBadge, backgroundFetch, byteOffset, checkRoom, chunkList, chunks, contentHash, inParts, installBackhaul, notify, policies, resumableUpload, s3, shareTarget, tus, userWishes } from './sw/index.ts';
    const photos = byteOffset({ statusUrl: '/status', uploadUrl: '/upload' });
    const backhaul = installBackhaul({ endpoints: { photos${adapter ? `, other: ${adapter}` : ''} } });
    ${addition}`;
}

async function bytesOf(contents) {
  const stdin = { contents, resolveDir: '.', loader: 'ts' };
  const [{ code }] = await smallest({ stdin, format: 'esm', target: 'es2022', plugins });
  return brotliCompressSync(code).length;
}
