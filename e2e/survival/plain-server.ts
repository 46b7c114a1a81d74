// A server as javascript.info's "Resumable file upload" builds it, for --plain: what it knows is in its memory, so a
// restart forgets it; a finished file is forgotten, too; an older request goes on writing beside a newer one. Added:
// the log lines that the ledger reads, and files by hash. https://javascript.info/resume-upload
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';

const { PORT = '0', DATA_DIR = '.', APP_DIR = '.' } = process.env;
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript' };

const uploads = new Map<string, { bytesReceived: number }>();
let requests = 0;
mkdirSync(DATA_DIR, { recursive: true });

const log = (line: object) => console.log(JSON.stringify({ ...line, atMs: Date.now() }));

function onStatus(fileId: string, response: ServerResponse): void {
  const answeredBytes = uploads.get(fileId)?.bytesReceived ?? 0;
  log({ event: 'status', requestId: ++requests, fileId, answeredBytes });
  response.end(String(answeredBytes));
}

function onUpload(fileId: string, request: IncomingMessage, response: ServerResponse): void {
  const requestId = ++requests;
  const startByte = Number(request.headers['x-start-byte'] ?? 0);
  const sizeBytes = Number(request.headers['x-file-size']);
  const path = join(DATA_DIR, `${createHash('sha256').update(fileId).digest('hex')}.data`);
  log({ event: 'upload-start', requestId, fileId, startByte, sizeBytes });
  const upload = uploads.get(fileId) ?? { bytesReceived: 0 };
  uploads.set(fileId, upload);
  if (startByte === 0) upload.bytesReceived = 0;
  if (upload.bytesReceived !== startByte) {
    response.writeHead(400, 'Wrong start byte').end(String(upload.bytesReceived));
    request.resume(); // Else the connection would hang; the tutorial's server crashes here on a current Node.
    return;
  }

  let receivedBytes = 0;
  const target = createWriteStream(path, { flags: startByte === 0 ? 'w' : 'a' });
  request.on('data', (data: Buffer) => {
    if (receivedBytes === 0) log({ event: 'first-byte', requestId, fileId, startByte });
    receivedBytes += data.length;
    upload.bytesReceived += data.length;
  });
  request.pipe(target);
  request.on('error', () => target.end());
  target.on('close', () => {
    const heldBytes = upload.bytesReceived;
    const done = heldBytes === sizeBytes;
    if (done) uploads.delete(fileId);
    const answered = request.complete ? { answeredBytes: heldBytes } : {};
    log({
      event: 'upload',
      requestId,
      fileId,
      startByte,
      sizeBytes,
      receivedBytes,
      acceptedBytes: receivedBytes,
      heldBytes,
      ...answered,
    });
    response.end(done ? `Success ${heldBytes}` : '');
  });
}

function onFile(path: string, response: ServerResponse): void {
  const name = path === '/' ? '/index.html' : path;
  response.setHeader('Content-Type', TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream');
  createReadStream(join(APP_DIR, name))
    .on('error', () => response.writeHead(404).end())
    .pipe(response);
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const fileId = String(request.headers['x-file-id'] ?? '');
  // The tutorial's /status and /upload, at the demo's addresses, so that the cases stay the same.
  if (pathname === '/api/status') onStatus(fileId, response);
  else if (pathname === '/api/upload' && request.method === 'POST') onUpload(fileId, request, response);
  else if (pathname === '/healthz') response.end('ok');
  else onFile(pathname, response);
});
server.listen(Number(PORT), '127.0.0.1');
