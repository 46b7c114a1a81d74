// In place of fake-indexeddb's own scheduling: its tasks are the world's, and belong to nobody.

import { world } from '../world/world.js';

export function queueTask(run: () => void): void {
  world().loop.task(undefined, run);
}
