// What the app loads where there can be no worker, such as on a phone that opens it over http: the same endpoint.
import { photos } from 'photos';
import { hostInPage } from '../../sw/index.js';

export const host = hostInPage({ endpoints: { photos } });
