// What is said of a name that installBackhaul does not know: to a page that enqueues, and of a stored upload.

import { UploadError } from '../src/contracts/errors.js';

export function unknownEndpoint(name: string): UploadError {
  return new UploadError('unknown-endpoint', `"${name}"`);
}
