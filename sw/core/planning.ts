// What to do next for one upload, from the server's word alone. Both kinds of answer, an offset or a set of parts
// (parts.ts), become "the ranges to send next".

import type { Course } from './machine.js';
import { prefixEnd } from './ranges.js';
import type { Limits, Range } from './remote.js';

export type Step =
  | { readonly type: 'create' }
  | { readonly type: 'probe' }
  | { readonly type: 'send'; readonly ranges: readonly Range[] }
  | { readonly type: 'complete' }
  /** After a cancel. */
  | { readonly type: 'abort' };

export interface PlanContext {
  readonly adapter: {
    /** Absent: one growing prefix. */
    readonly parts?: {
      readonly missing: (held: readonly Range[], sizeBytes: number, limits: Limits) => readonly Range[];
    };
    readonly limits: Limits;
    /** Only whether there is one matters here. */
    readonly create?: unknown;
  };
  readonly sizeBytes: number;
  /** The server was asked, or has answered, since the last failure or start. */
  readonly synced: boolean;
  /** An empty file has no missing byte; this says that it was sent all the same. */
  readonly emptySent: boolean;
  /** What the link is good for, and what passes it at most (see pace.ts). */
  readonly nextBytes: number;
  readonly ceilingBytes: number;
}

export function nextStep(course: Course, context: PlanContext): Step {
  if (course.state.status === 'cancelled') return { type: 'abort' };
  if (!course.remote && context.adapter.create) return { type: 'create' };
  if (!context.synced) return { type: 'probe' };
  const ranges = missing(course, context);
  return ranges.length > 0 ? { type: 'send', ranges } : { type: 'complete' };
}

function missing(course: Course, context: PlanContext): readonly Range[] {
  const { sizeBytes, adapter } = context;
  if (sizeBytes === 0) return context.emptySent ? [] : [[0, 0]];
  const limits = { ...adapter.limits, ...course.limits };
  if (adapter.parts) return adapter.parts.missing(course.held, sizeBytes, limits);
  // What was learned never raises what is configured.
  const configured = adapter.limits.maxBytes ?? sizeBytes;
  const maxBytes = Math.min(configured, course.limits.maxBytes ?? sizeBytes, context.ceilingBytes);
  const start = prefixEnd(course.held);
  if (start >= sizeBytes) return [];
  const bytes = Math.max(1, limits.minBytes ?? 1, Math.min(context.nextBytes, maxBytes));
  // A small rest goes along: one request less, for a fifth more time.
  const end = sizeBytes - start <= Math.min(bytes * 1.2, maxBytes) ? sizeBytes : start + bytes;
  return [[start, Math.min(sizeBytes, end)]];
}
