// What a network is like, and what it does to a request, as plain JSON.

/** What happens to one request. */
export type LinkFault =
  /** It never leaves the device. */
  | { readonly type: 'refused' }
  /** So much of the body leaves the device (a share of it), then the connection ends; what left arrives `drainMs` late. */
  | { readonly type: 'cut'; readonly share: number; readonly drainMs: number }
  | { readonly type: 'answer-lost' | 'answer-torn' | 'black-hole' | 'silent' }
  | { readonly type: 'delayed'; readonly delayMs: number }
  /** The browser sends it again by itself, `delayMs` after the first one, whose answer nobody sees. */
  | { readonly type: 'twice'; readonly delayMs: number }
  /** Somebody on the way answers; the server never sees it. */
  | {
      readonly type: 'answered';
      readonly status: number;
      readonly retryAfterS?: number;
      readonly page?: boolean;
      readonly says?: string;
    };

export interface Link {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly bytesPerMs: number;
}

/** What a chunk server that refuses with 200 says of an upload that it does not know. */
export const GONE = '{"error":"gone"}';
