// How much to put into one request and how long to wait for its answer, from what the link has shown so far.
// Requests are cut by time, not by size: a stopped worker then costs seconds on any link.

/** A request should take about this long: long enough to forget the round trip, short enough to lose. */
const TARGET_MS = 5000;
/** First body on a link of which nothing is known: half a second at 8 Mbit/s, under a minute at 10 kB/s. */
const FIRST_BYTES = 524_288;
const SMALLEST_BYTES = 65_536;
/** Slowest link that an answer is waited for on, while nothing is known. */
const FLOOR_BYTES_PER_SECOND = 16_384;
const SHORTEST_LIMIT_MS = 8000;
/** Chromium ends a worker 300 s into one event; no request may come near that. */
const LONGEST_LIMIT_MS = 120_000;
const SHORTEST_PROBE_LIMIT_MS = 2500;
const LONGEST_PROBE_LIMIT_MS = 30_000;
/** So many bodies pass at a guessed ceiling before larger ones are tried; twice as many after each wrong try. Guesses. */
const TRIAL_BODIES = 16;
const MOST_TRIAL_BODIES = 256;
/** Five dead connections are then passed in under 4 s. */
const SHORTEST_HEDGE_MS = 700;

/** One request under way. */
export interface Transfer {
  readonly bytes: number;
  /**
   * The most that was known of the link since it began; 0: nothing. What others show meanwhile shortens its wait: a first
   * part of 8 MB on a link of which nothing is known is given two minutes. A stall of one gives the others no more time.
   */
  bytesPerSecond: number;
  /** The most requests that shared the link with it, itself included. */
  peak: number;
  /** Of its body and of all that shared the link with it. */
  sharedBytes: number;
}

/** What is known of one endpoint's link. A cache: a new worker starts without it. */
export function createPace() {
  /** Of the whole link, whatever the number of requests on it. 0: nothing is known. */
  let bytesPerSecond = 0;
  let slowestProbeMs = 0;
  let ceilingBytes = Infinity;
  /** Bodies that pass at a guessed ceiling before it is doubled, and those of them that are still to come. */
  let trialBodies = TRIAL_BODIES;
  let toPass = Infinity;
  const transfers = new Set<Transfer>();

  return {
    begin(bytes: number): Transfer {
      const transfer = { bytes, bytesPerSecond: bytesPerSecond, peak: 0, sharedBytes: 0 };
      for (const each of transfers) {
        each.sharedBytes += bytes;
        transfer.sharedBytes += each.bytes;
      }
      transfer.sharedBytes += bytes;
      transfers.add(transfer);
      for (const each of transfers) each.peak = Math.max(each.peak, transfers.size);
      return transfer;
    },

    /** `bytes`: what the server acknowledged of it; 0 if that is not known. Returns bytes per second of this one. */
    end(transfer: Transfer, bytes: number, elapsedMs: number): number | undefined {
      transfers.delete(transfer);
      const seconds = Math.max(1, elapsedMs) / 1000;
      if (bytes === 0) return undefined;
      // Once it has risen, it doubles with each body that passes, until one does not.
      if (bytes >= ceilingBytes && --toPass < 0) ceilingBytes *= 2;
      const own = bytes / seconds;
      // A few bytes in a moment show the round trip, nothing else.
      if (bytes < SMALLEST_BYTES && seconds < 1) return own;
      const link = own * transfer.peak;
      // A long request says more about the link than a short one, which mostly shows the round trip.
      const weight = Math.min(0.7, Math.max(0.1, seconds));
      bytesPerSecond = link * weight + (bytesPerSecond || link) * (1 - weight);
      for (const each of transfers) each.bytesPerSecond = Math.max(each.bytesPerSecond, bytesPerSecond);
      return own;
    },

    /** A body of `bytes` was cut off by its limit: the link is slower than that, by how much is not known. */
    stalled(bytes: number, elapsedMs: number): void {
      bytesPerSecond = Math.min(bytesPerSecond || Infinity, (bytes * 1000) / elapsedMs) / 2;
    },

    /** Size of the next body: what goes through in the time that a request should take, beside what is under way. */
    nextBytes(): number {
      const bytes = (bytesPerSecond * TARGET_MS) / 1000 || FIRST_BYTES;
      return Math.max(SMALLEST_BYTES, Math.floor(bytes / (transfers.size + 1)));
    },

    /** No larger body passes, as far as is known. */
    get ceilingBytes(): number {
      return ceilingBytes;
    },

    /**
     * Time that the answer to a transfer's body may take; doubles with each attempt that gained nothing. It grows with what
     * shares the link.
     */
    limitMs({ bytes, bytesPerSecond: rate, peak, sharedBytes }: Transfer, attempt: number): number {
      const seconds = rate ? (2 * Math.min(bytes * peak, sharedBytes)) / rate : bytes / FLOOR_BYTES_PER_SECOND;
      return Math.min(LONGEST_LIMIT_MS, Math.max(SHORTEST_LIMIT_MS, seconds * 1000) * 2 ** Math.min(attempt, 4));
    },

    /** A question is small, so it is given up early at first: its connection may be the dead one. */
    probeLimitMs(attempt: number): number {
      const usual = Math.max(SHORTEST_PROBE_LIMIT_MS, 4 * slowestProbeMs);
      return Math.min(LONGEST_PROBE_LIMIT_MS, usual * 2 ** Math.min(attempt, 4));
    },

    /** When an answer is so late that asking on another connection is worth it. */
    hedgeMs(): number {
      return Math.max(SHORTEST_HEDGE_MS, 2 * slowestProbeMs);
    },

    probed(elapsedMs: number): void {
      slowestProbeMs = Math.max(slowestProbeMs * 0.9, elapsedMs);
    },

    /**
     * The server, or a proxy before it, takes no larger body. If it only seems so, since larger ones were cut off, it may
     * have been the network: the ceiling rises again, but slowly, lest a real limit be run into all the time.
     */
    limitTo(maxBytes: number, certain: boolean): void {
      if (maxBytes >= ceilingBytes) return;
      ceilingBytes = maxBytes;
      if (!certain) trialBodies = Math.min(MOST_TRIAL_BODIES, 2 * trialBodies);
      toPass = certain ? Infinity : trialBodies;
    },
  };
}

export type Pace = ReturnType<typeof createPace>;
