// What Backhaul's intake is measured against: the Files of one message, in one transaction, in a database of their own.

declare const self: ServiceWorkerGlobalScope;

self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener('message', (event) => {
  const [port] = event.ports;
  const { files } = event.data as { readonly files: readonly File[] };
  event.waitUntil(
    store(files).then(
      () => port?.postMessage('stored'),
      (error) => port?.postMessage(String(error)),
    ),
  );
});

function store(files: readonly File[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(`bare:${self.registration.scope}`, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('files');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction('files', 'readwrite');
      const target = transaction.objectStore('files');
      for (const [index, file] of files.entries()) target.put(file, index);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    };
  });
}

export {};
