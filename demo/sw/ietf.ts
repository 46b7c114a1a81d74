// The demo on a server of the IETF's resumable uploads.
import { resumableUpload } from '../../sw/index.js';

export const photos = resumableUpload({ endpoint: '/api/resumable' });
