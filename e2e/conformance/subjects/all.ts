// Every adapter of this package, with a real server each.

import type { Subject } from '../subject.js';
import { byteOffsetSubject } from './byte-offset.js';
import { plainServerSubject } from './plain-server.js';

export const subjects: readonly Subject[] = [byteOffsetSubject, plainServerSubject];
