// Owns the verdict: what the gallery holds against what was handed over, and what passed the link against what had been
// acknowledged before. Pure, save for the reading of the gallery.
import { createHash } from 'node:crypto';
import type { LinkRequest } from '../harness/link.js';

export interface Held {
  readonly name: string;
  readonly sha256: string;
}

/** Everything that the server shows, by its own bytes. */
export async function galleryOf(origin: string): Promise<readonly Held[]> {
  const held: Held[] = [];
  for (let after = ''; ; ) {
    const page = await (await fetch(`${origin}/api/photos?limit=500${after && `&after=${after}`}`)).json();
    const photos = page as readonly { readonly key: string; readonly name: string }[];
    for (const { key, name } of photos) {
      const bytes = Buffer.from(await (await fetch(`${origin}/api/photos/${key}`)).arrayBuffer());
      held.push({ name, sha256: createHash('sha256').update(bytes).digest('hex') });
    }
    const last = photos.at(-1);
    if (last === undefined) return held;
    after = encodeURIComponent(last.key);
  }
}

export interface Comparison {
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** Shown, but nobody's: damaged, or never handed over. */
  readonly foreign: readonly string[];
}

/** Each source once, and nothing else. */
export function compare(sources: readonly Held[], held: readonly Held[]): Comparison {
  const times = (sha256: string) => held.filter((each) => each.sha256 === sha256).length;
  const known = new Set(sources.map(({ sha256 }) => sha256));
  const names = (some: readonly Held[]) => some.map(({ name }) => name);
  return {
    lost: names(sources.filter(({ sha256 }) => times(sha256) === 0)),
    doubled: names(sources.filter(({ sha256 }) => times(sha256) > 1)),
    foreign: names(held.filter(({ sha256 }) => !known.has(sha256))),
  };
}

/** From when to when, in epoch milliseconds. */
export type Span = readonly [fromMs: number, untilMs: number];

/**
 * Invariant 7, for protocols that count bytes: body bytes below what an answer to an earlier request had confirmed. An
 * answer that met a harm on its way may not have been heard, and confirms nothing.
 */
export function acknowledgedSentAgain(requests: readonly LinkRequest[], harmed: readonly Span[]): number {
  const heard = ({ startedAtMs, endedAtMs = Infinity }: LinkRequest) =>
    harmed.every(([fromMs, untilMs]) => endedAtMs < fromMs || startedAtMs > untilMs);
  const bodies = requests.filter((each) => each.bodyBytes > 0 && offsetOf(each) !== undefined);
  const fileOf = ({ fileId, path }: LinkRequest) => fileId ?? path;
  let again = 0;
  for (const file of new Set(bodies.map(fileOf))) {
    const own = bodies.filter((each) => fileOf(each) === file);
    const confirming = own.filter((each) => each.outcome === 'answered' && (each.status ?? 500) < 300 && heard(each));
    for (const body of own) {
      const before = confirming.filter(({ endedAtMs = Infinity }) => endedAtMs <= body.startedAtMs);
      const known = before.reduce((most, each) => Math.max(most, (offsetOf(each) ?? 0) + each.bodyBytes), 0);
      const start = offsetOf(body) ?? 0;
      again += Math.max(0, Math.min(start + body.bodyBytesForwarded, known) - start);
    }
  }
  return again;
}

function offsetOf({ startByte, headers }: LinkRequest): number | undefined {
  const said = headers['upload-offset'];
  return startByte ?? (said === undefined ? undefined : Number(said));
}
