// The demo on S3: its own server only signs.
import { s3 } from '../../sw/index.js';
import { serveApp } from './app-worker.js';

serveApp(s3({ sign: (operation) => fetch('/s3/sign', { method: 'POST', body: JSON.stringify(operation) }) }));
