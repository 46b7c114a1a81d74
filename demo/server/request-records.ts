// What the upload server tells about each request, for logs and for tests that judge by what the server received.

interface Common {
  /** Counts up from 1 in one process. */
  readonly requestId: number;
  readonly fileId: string;
  readonly atMs: number;
}

export type UploadOutcome =
  /** The body was read to its end. */
  | 'ok'
  /** The connection ended before the body did. */
  | 'cut'
  /** No byte for `requestIdleMs`. */
  | 'idle'
  /** A newer POST of the same file took over. */
  | 'replaced'
  | 'wrong-start'
  | 'size-changed'
  | 'too-large'
  | 'too-many'
  | 'unauthorized'
  | 'disk-full'
  | 'storage-failed'
  | 'closing';

/** A POST's headers arrived. */
export interface UploadStartRecord extends Common {
  readonly event: 'upload-start';
  readonly startByte: number;
  readonly sizeBytes: number;
  /** Content-Length; absent for a chunked body. */
  readonly announcedBytes?: number;
}

/** The first body byte that will be kept arrived. */
export interface FirstByteRecord extends Common {
  readonly event: 'first-byte';
  readonly startByte: number;
}

/** A POST ended. Told before a 200 is sent; after the lingering that follows a refusal. */
export interface UploadRecord extends Common {
  readonly event: 'upload';
  readonly outcome: UploadOutcome;
  /** The error, where the storage failed. */
  readonly reason?: string;
  /** Absent where nobody was left to answer. */
  readonly httpStatus?: number;
  /** The number in the answer, which is from then on acknowledged; absent in answers that are words. */
  readonly answeredBytes?: number;
  readonly answeredAtMs?: number;
  readonly startByte: number;
  readonly sizeBytes: number;
  /** Body bytes read off the socket, thrown away ones included: [startByte, startByte + receivedBytes). */
  readonly receivedBytes: number;
  /** Body bytes that were kept. */
  readonly acceptedBytes: number;
  /** What the server held when this request let go. */
  readonly heldBytes: number;
  readonly startedAtMs: number;
  readonly firstByteAtMs?: number;
  /** While this request was the file's writer: [from, until). Absent if it never was. */
  readonly writerFromMs?: number;
  readonly writerUntilMs?: number;
}

/** A status was answered; told just before it is sent. */
export interface StatusRecord extends Common {
  readonly event: 'status';
  readonly outcome: 'ok' | 'unauthorized' | 'storage-failed';
  readonly httpStatus: number;
  readonly answeredBytes?: number;
  readonly heldBytes: number;
  /** Absent for a file that is not known. */
  readonly sizeBytes?: number;
  readonly startedAtMs: number;
}

/** Headers that make no sense; answered with 400. */
export interface BadRequestRecord extends Common {
  readonly event: 'bad-request';
  readonly httpStatus: 400;
  readonly reason: string;
}

export type RequestRecord = UploadStartRecord | FirstByteRecord | UploadRecord | StatusRecord | BadRequestRecord;
