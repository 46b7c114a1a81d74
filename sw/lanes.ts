// How many requests run at once, over all uploads and endpoints. An upload holds one lane from its first request to its
// last answer; the further parts of an upload go beside it only while no upload waits for its first.

import { abortable } from './clock.js';

interface Waiting {
  readonly extra: boolean;
  readonly enter: () => void;
}

/** Resolves with what gives the lane back. Whoever has to wait waits until `signal`, and is then rejected. */
export type TakeLane = (signal: AbortSignal, extra: boolean) => Promise<() => void>;

export function createLanes(count: number): TakeLane {
  let free = count;
  const waiting = new Set<Waiting>();

  function leave(): void {
    const line = [...waiting];
    const next = line.find(({ extra }) => !extra) ?? line[0];
    if (next) {
      waiting.delete(next);
      next.enter();
    } else free += 1;
  }

  return async (signal, extra) => {
    if (free > 0) free -= 1;
    else {
      await abortable(signal, (enter) => {
        const own = { extra, enter };
        waiting.add(own);
        return () => waiting.delete(own);
      });
    }
    return leave;
  };
}
