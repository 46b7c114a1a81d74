// The demo on @tus/server.
import { tus } from '../../sw/index.js';

export const photos = tus({
  endpoint: '/api/tus',
  // By name and time of change the gallery finds the thumbnail that this device has already drawn.
  metadata: ({ id, lastModifiedMs }) => ({ id, lastModified: String(lastModifiedMs) }),
  // The server names uploads by their id, so that one whose first answer was lost is found again.
  uploadUrl: ({ id }) => `/api/tus/${id}`,
});
