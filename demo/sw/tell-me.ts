// The switch "Tell me when done", kept where the page and the worker both find it. Off until somebody sets it.

const cacheName = 'settings';
const path = '/settings/tell-me';

export async function wantsToBeTold(): Promise<boolean> {
  return (await caches.match(path, { cacheName })) !== undefined;
}

export async function setWantsToBeTold(wanted: boolean): Promise<void> {
  const cache = await caches.open(cacheName);
  if (wanted) await cache.put(path, new Response('on'));
  else await cache.delete(path);
}
