// Every adapter of this package, with a real server each.

import { cephOrReason } from '../../harness/ceph.js';
import type { Subject } from '../subject.js';
import { byteOffsetSubject } from './byte-offset.js';
import { chunksSubject } from './chunks.js';
import { ietfSubjects } from './ietf.js';
import { plainServerSubject } from './plain-server.js';
import { s3Subject } from './s3.js';
import { plainTusSubject, tusSubject } from './tus.js';

/** Those that need no more than Node. S3 needs a cluster: see s3.ts. */
export const subjects: readonly Subject[] = [
  byteOffsetSubject,
  plainServerSubject,
  chunksSubject,
  tusSubject,
  plainTusSubject,
  ...ietfSubjects,
];

/** S3 and what else needs more, if that is to be had here. */
export async function subjectNamed(
  name: string,
): Promise<{ readonly subject: Subject; readonly stop: () => Promise<void> } | { readonly reason: string }> {
  const known = subjects.find((each) => each.name === name);
  if (known !== undefined) return { subject: known, stop: async () => {} };
  if (name !== 's3') return { reason: `unknown: choose from ${subjectNames.join(', ')}` };
  const found = await cephOrReason();
  if ('reason' in found) return found;
  return { subject: await s3Subject(found.ceph), stop: () => found.ceph.stop() };
}

export const subjectNames: readonly string[] = [...subjects.map(({ name }) => name), 's3'];
