// Owns the choice of ports that must stay ours while nobody listens on them.
import { createServer } from 'node:net';

/** Below Linux's and macOS's ephemeral ranges, above every port that browsers block. */
const FIRST = 20_000;
const COUNT = 12_000;

/**
 * A port of 127.0.0.1 that is free now. Not one of the kernel's choosing: those are also given to outgoing
 * connections, which would take the port while its server is down, or even connect it to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`No free port found between ${FIRST} and ${FIRST + COUNT}.`);
}
