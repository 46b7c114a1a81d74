// What the app loads where there can be no worker, such as on a phone that opens it over http: the same endpoint.
import { photos } from 'photos';
import { hostInPage, policies, userWishes } from '../../sw/index.js';

export const host = hostInPage({ endpoints: { photos } }, (backhaul) => userWishes(policies(backhaul, { photos: {} })));
