// The demo on the chunk server.
import { chunkList, chunks } from '../../sw/index.js';
import { serveApp } from './app-worker.js';

const url = '/api/chunks';

serveApp(
  chunks({ chunk: { url }, ask: chunkList({ url }), merge: { url: `${url}/merge` }, abort: { url, method: 'DELETE' } }),
);
