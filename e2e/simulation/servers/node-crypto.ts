// In place of node:crypto for the reference servers: real hashes, the world's chance.

import { world } from '../world/world.js';

export { createHash } from 'node:crypto';

export function randomBytes(count: number): Buffer {
  return Buffer.from(world().chance.bytes(count));
}
