// Makes upload snapshots for the tests of the page's sentences.
import type { UploadId, UploadSnapshot, UploadState } from '../../src/index.js';

let count = 0;

export function upload(state: UploadState, over: Partial<UploadSnapshot> = {}): UploadSnapshot {
  count += 1;
  const base = {
    id: `u${count}` as UploadId,
    endpoint: 'photos',
    name: `IMG_${count}.jpg`,
    type: 'image/jpeg',
    sizeBytes: 1000,
    lastModifiedMs: 0,
    metadata: {},
    priority: 'normal',
    addedAtMs: 100,
    order: count,
    revision: 0,
    acknowledgedBytes: state.status === 'completed' ? 1000 : 0,
  } as const;
  return { ...base, ...state, ...over } as UploadSnapshot;
}

export function uploads(number: number, state: UploadState): UploadSnapshot[] {
  return Array.from({ length: number }, () => upload(state));
}
