// What the test page loads where no worker can be registered: the same endpoint as that of workers/worker.ts.
import { byteOffset, headersFromPage, hostInPage, policies, userWishes } from '../../sw/index.js';

const urls = { statusUrl: '/api/status', uploadUrl: '/api/upload', settleMs: 0 };

export const host = hostInPage(
  { endpoints: { photos: byteOffset(urls), signed: byteOffset({ ...urls, headers: headersFromPage() }) } },
  (backhaul) => userWishes(policies(backhaul, { photos: {} })),
);
