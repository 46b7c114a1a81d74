// What the header fields and problems of "Resumable Uploads for HTTP" look like on the wire.
// Knows nothing of files, or of what an answer is given for.

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** Bytes, and seconds; what is absent is not limited. */
export interface UploadLimits {
  readonly maxSize?: number;
  readonly minSize?: number;
  readonly maxAppendSize?: number;
  readonly minAppendSize?: number;
  readonly maxAgeSeconds?: number;
}

/** What a request says; undefined where a field is absent or not what it must be, which are the same (section 4.1). */
export interface UploadFields {
  readonly offset: number | undefined;
  readonly complete: boolean | undefined;
  readonly length: number | undefined;
  readonly interopVersion: number | undefined;
  /** From Content-Disposition (RFC 6266, RFC 8187). */
  readonly filename: string | undefined;
}

export type ProblemType = 'mismatching-upload-offset' | 'inconsistent-upload-length' | 'completed-upload';

export function parseFields(headers: IncomingHttpHeaders): UploadFields {
  const complete = itemOf(headers['upload-complete']);
  return {
    offset: integerOf(headers['upload-offset']),
    complete: complete === '?1' ? true : complete === '?0' ? false : undefined,
    length: integerOf(headers['upload-length']),
    interopVersion: integerOf(headers['upload-draft-interop-version']),
    filename: filenameOf(headers['content-disposition']),
  };
}

/** `Upload-Limit`, a dictionary; `max-age` counts from this answer. */
export function limitField(limits: UploadLimits, ageSeconds: number): OutgoingHttpHeaders {
  const members = {
    'max-size': limits.maxSize,
    'min-size': limits.minSize,
    'max-append-size': limits.maxAppendSize,
    'min-append-size': limits.minAppendSize,
    'max-age': limits.maxAgeSeconds && Math.max(0, limits.maxAgeSeconds - ageSeconds),
  };
  const value = Object.entries(members).flatMap(([key, number]) => (number === undefined ? [] : `${key}=${number}`));
  return value.length === 0 ? {} : { 'upload-limit': value.join(', ') };
}

/** RFC 9457. */
export function problem(title: string, type?: ProblemType, members: Readonly<Record<string, number>> = {}): string {
  const url = type === undefined ? 'about:blank' : `https://iana.org/assignments/http-problem-types#${type}`;
  return JSON.stringify({ type: url, title, ...members });
}

/** An item without its parameters. */
function itemOf(value: string | string[] | undefined): string | undefined {
  return /^ *([^\s;,]+)(?:;[^,]*)? *$/.exec(String(value ?? ''))?.[1];
}

function integerOf(value: string | string[] | undefined): number | undefined {
  const item = itemOf(value) ?? '';
  return /^\d{1,15}$/.test(item) ? Number(item) : undefined;
}

function filenameOf(value: string | undefined): string | undefined {
  const encoded = /filename\*=UTF-8''([^;\s]+)/i.exec(value ?? '')?.[1];
  try {
    return encoded === undefined ? /filename="([^"]*)"/i.exec(value ?? '')?.[1] : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
