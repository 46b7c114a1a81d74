// What the server holds, asked over HTTP and parsed; knows nothing of the page.

export interface DeliveredPhoto {
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs?: number;
  readonly finishedAtMs: number;
}

const pageSize = 500;
const requestTimeoutMs = 15_000;

/**
 * Newest first. Asks only for what is newer than `known`, in pages; offline, the worker answers with the first page
 * that was seen last.
 */
export async function fetchDeliveredPhotos(known: readonly DeliveredPhoto[]): Promise<readonly DeliveredPhoto[]> {
  const photos = await fetchPage(undefined);
  let size = photos.length;
  while (size === pageSize) {
    const last = photos.at(-1)?.key;
    const seen = known.findIndex(({ key }) => key === last);
    if (seen >= 0) return [...photos, ...known.slice(seen + 1)];
    // Without a network there are no older pages; the newest photos are shown all the same.
    const page = await fetchPage(last).catch(() => []);
    photos.push(...page);
    size = page.length;
  }
  return photos;
}

async function fetchPage(after: string | undefined): Promise<DeliveredPhoto[]> {
  const query = new URLSearchParams({ limit: String(pageSize), ...(after === undefined ? {} : { after }) });
  const response = await fetch(`/api/photos?${query}`, { signal: AbortSignal.timeout(requestTimeoutMs) });
  if (!response.ok) throw new Error(`The list of delivered photos could not be read (${response.status}).`);
  const list: unknown = await response.json();
  return Array.isArray(list) ? list.flatMap(parsePhoto) : [];
}

export function photoUrl(photo: DeliveredPhoto): string {
  return `/api/photos/${encodeURIComponent(photo.key)}`;
}

function parsePhoto(value: unknown): DeliveredPhoto[] {
  if (typeof value !== 'object' || value === null) return [];
  const { key, name, type, sizeBytes, lastModifiedMs, finishedAtMs } = value as Partial<Record<string, unknown>>;
  if (typeof key !== 'string' || typeof name !== 'string') return [];
  return [
    {
      key,
      name,
      type: typeof type === 'string' ? type : '',
      sizeBytes: Number(sizeBytes) || 0,
      finishedAtMs: Number(finishedAtMs) || 0,
      ...(typeof lastModifiedMs === 'number' ? { lastModifiedMs } : {}),
    },
  ];
}
