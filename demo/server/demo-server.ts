// Puts the demo together on one HTTP server: uploads, gallery, app, health. Reads no environment.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAppFiles } from './app-files.js';
import { type Backend, type BackendOptions, loadBackend, type Protocol } from './backends.js';
import { isForeign } from './cors.js';
import { createGallery } from './gallery.js';
import { answer } from './reply.js';

export interface DemoOptions extends BackendOptions {
  /** How files are uploaded. Default `byte-offset`. */
  readonly protocol?: Protocol;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly appDir: string;
  /** A connection that has not sent its headers after so many milliseconds is ended. Default 15,000. */
  readonly headersTimeoutMs?: number;
}

export interface DemoServer {
  readonly port: number;
  readonly uploads: Backend;
  /** Ends running uploads, their bytes kept, and every connection. */
  close(): Promise<void>;
}

/** On every answer. HTTPS, and with it Strict-Transport-Security, is the proxy's. */
const securityHeaders = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Opener-Policy', 'same-origin'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Permissions-Policy', 'camera=(), microphone=(), geolocation=(), payment=(), usb=()'],
] as const;

const galleryPath = '/api/photos';

/** Listens first: two servers started by mistake then never share a folder. */
export async function startDemoServer(options: DemoOptions): Promise<DemoServer> {
  const { headersTimeoutMs = 15_000, protocol = 'byte-offset' } = options;
  const openBackend = await loadBackend(protocol);
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: Math.min(headersTimeoutMs, 5000),
    // Limits the whole request: an upload may take hours. `requestIdleMs` ends those that stand still.
    requestTimeout: 0,
    // Longer than browsers and proxies keep a connection, so that they, not we, close an idle one (Node's 5 s
    // loses requests that cross with the close).
    keepAliveTimeout: 65_000,
  });
  await listen(server, options);
  const uploads = openBackend(options);
  const gallery = createGallery(galleryPath, uploads.shelf);
  const appFiles = createAppFiles(options.appDir, protocol, uploads.origins);
  server.on('request', (request, response) => {
    for (const [name, value] of securityHeaders) response.setHeader(name, value);
    if (isForeign(request, options.allowedOrigins ?? [])) {
      return answer(response, 403, 'Not from another site.', { connection: 'close' });
    }
    if (uploads.handle(request, response)) return;
    if (gallery(request, response) || health(uploads, request, response) || appFiles(request, response)) return;
    answer(response, 404, 'Not found. Is the app built? `npm run build` does it.');
  });
  const close = async () => {
    server.close();
    await uploads.close();
    server.closeAllConnections();
  };
  await uploads.ready.catch(async (error) => {
    await close();
    throw error;
  });
  return { port: (server.address() as AddressInfo).port, uploads, close };
}

function listen(server: Server, { host, port }: DemoOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function health(uploads: Backend, request: IncomingMessage, response: ServerResponse): boolean {
  if (request.url !== '/healthz' || request.method !== 'GET') return false;
  const headers = { 'content-type': 'application/json' };
  uploads.health().then(
    (facts) => answer(response, 200, JSON.stringify({ status: 'ok', ...facts }), headers),
    () => answer(response, 500, JSON.stringify({ status: 'failed' }), headers),
  );
  return true;
}
