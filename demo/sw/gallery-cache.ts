// Lets the gallery of delivered photos work offline: the last list, and the pictures that were looked at.
// Bounded; never holds what has not been delivered (that is Backhaul's).

const listCacheName = 'photo-list';
const photoCacheName = 'photos';
const maxPhotos = 200;
// A guess: phone photos are 2-15 MB; anything larger is a video that nobody asked to keep.
const maxPhotoBytes = 32_000_000;

/** Network first: a gallery should be true. Without a network, the last list that was seen. */
export async function answerPhotoList(event: FetchEvent): Promise<Response> {
  const cache = await caches.open(listCacheName);
  try {
    const response = await fetch(event.request);
    if (response.ok) event.waitUntil(cache.put('/api/photos', response.clone()).catch(ignore));
    return response;
  } catch (cause) {
    const cached = await cache.match('/api/photos');
    if (cached) return cached;
    throw cause;
  }
}

/** Cache first: the bytes behind a key never change. */
export async function answerPhoto(event: FetchEvent): Promise<Response> {
  const cache = await caches.open(photoCacheName);
  const cached = await cache.match(event.request);
  if (cached) return cached;
  const response = await fetch(event.request);
  const sizeBytes = Number(response.headers.get('content-length') ?? 0);
  if (response.status === 200 && sizeBytes <= maxPhotoBytes) {
    event.waitUntil(keep(cache, event.request, response.clone()).catch(ignore));
  }
  return response;
}

async function keep(cache: Cache, request: Request, response: Response): Promise<void> {
  await cache.put(request, response);
  // `keys()` answers in order of insertion, so the first ones are the oldest.
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - maxPhotos)).map((key) => cache.delete(key)));
}

// A full disk or a cut connection costs only the copy; the page already has its answer.
function ignore(): void {}
