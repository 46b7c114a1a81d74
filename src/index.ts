// What a page imports. Public names only.

export { type BackgroundText, sendInBackground } from './background-fetch.js';
export { Backhaul } from './backhaul.js';
export { type KnownConditions, knownConditions, relayConditions } from './conditions.js';
export { type ErrorCode, errorCodes, UploadError } from './contracts/errors.js';
export type { Policy, PolicyChange, QuietHours } from './contracts/policy.js';
export type {
  PolicyReason,
  Priority,
  UploadId,
  UploadInfo,
  UploadSnapshot,
  UploadState,
  UploadStatus,
  WaitReason,
} from './contracts/upload.js';
export { EnqueueError, type EnqueueOptions } from './enqueue.js';
export type { BackhaulSnapshot, UploadTotals } from './mirror.js';
export { policy, sendNow, setPolicy } from './policies.js';
export type { Host, RegisterOptions } from './registration.js';
export { onUnauthorized, provideHeaders } from './sign-in.js';
export type { Upload } from './upload.js';
