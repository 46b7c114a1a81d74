// The demo on a server of the IETF's resumable uploads.
import { resumableUpload } from '../../sw/index.js';
import { serveApp } from './app-worker.js';

serveApp(resumableUpload({ endpoint: '/api/resumable' }));
