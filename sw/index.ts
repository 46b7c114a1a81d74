// What an app's own service worker imports. Public names only.

export { appBadge } from './app-badge.js';
export { type BackgroundFetchOptions, backgroundFetch } from './background-fetch.js';
export type { AdapterState, Limits, Range, Reply, Verdict } from './core/remote.js';
export { hostInPage, type PageHost } from './host-in-page.js';
export { type BackhaulOptions, type InstalledBackhaul, installBackhaul } from './install.js';
export { type FinishedBatch, type NotificationText, type NotifyOptions, notify } from './notify.js';
export { headersFromPage } from './page-headers.js';
export { type Policies, policies } from './policies.js';
export type {
  Adapter,
  Answer,
  CreateContext,
  Io,
  Parts,
  PieceRequest,
  ProbeContext,
  RequestDefaults,
  RequestOptions,
  Sending,
  UploadSource,
} from './protocols/adapter.js';
export { ProtocolFailure } from './protocols/adapter.js';
export { type ByteOffsetOptions, byteOffset } from './protocols/byte-offset.js';
export { byteOffsetPieces } from './protocols/byte-offset-pieces.js';
export type {
  Chunk,
  ChunkCall,
  ChunkedFile,
  ChunkList,
  Means,
  SendCall,
} from './protocols/chunk-calls.js';
export { flowJs, resumableJs, simpleUploader } from './protocols/chunk-presets.js';
export { type Ask, chunkList, chunkTest, type ListCall } from './protocols/chunk-questions.js';
export { type ChunksOptions, chunks } from './protocols/chunks.js';
export { contentHash, type Hasher } from './protocols/content-hash.js';
export { encodeHeader } from './protocols/http.js';
export { jsonHeader } from './protocols/json-header.js';
export type { Fields } from './protocols/multipart-form.js';
export { inParts } from './protocols/parts.js';
export { type ResumableUploadOptions, resumableUpload } from './protocols/resumable-upload.js';
export { type S3Options, s3 } from './protocols/s3.js';
export type { S3Operation, S3SignedRequest } from './protocols/s3-request.js';
export { type TusOptions, tus } from './protocols/tus.js';
export { checkRoom } from './room.js';
export { type ShareTargetOptions, shareTarget } from './share-target.js';
export { userWishes } from './user-wishes.js';
