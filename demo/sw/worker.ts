// The demo's worker. The build makes one for each protocol: `photos` is one of the endpoints beside this file.
import { photos } from 'photos';
import { serveApp } from './app-worker.js';

serveApp(photos);
