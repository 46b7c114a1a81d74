// The demo on S3: its own server only signs.
import { s3 } from '../../sw/index.js';

export const photos = s3({
  sign: (operation) => fetch('/s3/sign', { method: 'POST', body: JSON.stringify(operation) }),
});
