// The demo on the byte-offset server.
import { byteOffset, jsonHeader } from '../../sw/index.js';

export const photos = byteOffset({
  statusUrl: '/api/status',
  uploadUrl: '/api/upload',
  // By name and time of change the gallery finds the thumbnail that this device has already drawn.
  metadataHeader: jsonHeader('X-File-Metadata'),
  // The reference server ends an older request before it accepts a newer one.
  settleMs: 0,
});
