// The demo on the chunk server.
import { chunkList, chunks } from '../../sw/index.js';

const url = '/api/chunks';

export const photos = chunks({
  chunk: { url },
  ask: chunkList({ url }),
  merge: { url: `${url}/merge` },
  abort: { url, method: 'DELETE' },
});
