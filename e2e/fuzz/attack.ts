// Sends hostile requests to a running server, many at a time, and looks what became of it: of the process, of each
// connection, and of everything outside its folder.

import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { Dice } from '../conformance/dice.js';
import { type Fuzzed, type HostileRequest, hostileRequest, MARK } from './hostile-request.js';

export interface Target {
  readonly protocol: Fuzzed;
  readonly port: number;
  /** In a folder of its own, beside `canary.txt`. */
  readonly dataDir: string;
}

export interface Damage {
  /** How often each status was answered; 0: the connection ended without an answer. */
  readonly statuses: Map<number, number>;
  /** How often each method was answered with 2xx. */
  readonly taken: Map<string, number>;
  /** What should not have been, with the number of the request that did it. */
  readonly faults: string[];
}

export const CANARY = 'the canary lives';
const AT_ONCE = 48;
/** Every request is over when its sender is: no server waits longer. */
const LIMIT_MS = 20_000;
/** A sender that says no more waits so long for an answer, then ends; what it announced and did not send stays away. */
const PATIENCE_MS = 400;
/** After an answer, for a second one. */
const PAUSE_MS = 5;

/** The first answer that is more than an interim one. */
const final = /^HTTP\/1\.1 ([2-5]\d\d) /m;

/** `onProgress` is called after every `everyNth` request, while the others go on. */
export async function attack(
  target: Target,
  {
    seed,
    requests,
    onProgress,
    everyNth = 1000,
  }: { seed: number; requests: number; everyNth?: number; onProgress?: () => Promise<void> },
): Promise<Damage> {
  const damage: Damage = { statuses: new Map(), taken: new Map(), faults: [] };
  const count = <Key>(of: Map<Key, number>, key: Key) => of.set(key, (of.get(key) ?? 0) + 1);
  // Learned from the answers: else nothing would ever reach an upload of a server that names them by chance.
  const places = new Map<number, string>();
  let next = 0;
  const lane = async () => {
    while (next < requests && damage.faults.length < 10) {
      const nth = next++;
      const request = hostileRequest(new Dice(seed, target.protocol, nth), target.protocol, places);
      const answer = await send(target.port, request);
      const status = Number(final.exec(answer)?.[1] ?? 0);
      count(damage.statuses, status);
      if (status >= 200 && status < 300) count(damage.taken, request.method);
      const place = /^location: [\w/]+\/([\w-]+)\r$/im.exec(answer)?.[1];
      if (place !== undefined) places.set(request.nth, place);
      const fault = faultIn(answer, status);
      if (fault)
        damage.faults.push(
          `request ${nth}: ${fault}; ${JSON.stringify(request.bytes.toString('latin1').slice(0, 600))}`,
        );
      if (nth % everyNth === everyNth - 1) await onProgress?.();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const health = await fetch(`http://127.0.0.1:${target.port}/healthz`).catch(() => undefined);
  await health?.arrayBuffer();
  if (health?.status !== 200) damage.faults.push(`after all: the health page answers ${health?.status ?? 'nothing'}`);
  damage.faults.push(...(await outside(target.dataDir)));
  return damage;
}

function faultIn(answer: string, status: number): string | undefined {
  if (answer === 'hangs') return `no end within ${LIMIT_MS} ms`;
  if (answer.includes(CANARY)) return 'a file from outside was given out';
  if (status === 500) return `answered 500: ${answer.slice(-120)}`;
  return undefined;
}

/** The beginning of what came back, `hangs` if the connection did not end. */
function send(port: number, { bytes, way, cutAt }: HostileRequest): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const limit = setTimeout(() => {
      answer = 'hangs';
      socket.destroy();
    }, LIMIT_MS);
    socket.on('data', (data) => {
      if (answer.length < 65_536) answer += data.toString('latin1');
      // A client that ends sooner is hung up on before a slow server has answered.
      if (final.test(answer)) patience(PAUSE_MS);
    });
    let waiting: NodeJS.Timeout | undefined;
    const patience = (ms: number) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => socket.end(), ms);
    };
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(limit);
      clearTimeout(waiting);
      resolve(answer);
    });
    if (way === 'whole') return void socket.write(bytes, () => patience(PATIENCE_MS));
    if (way === 'cut') return void socket.write(bytes.subarray(0, cutAt), () => socket.resetAndDestroy());
    let at = 0;
    const drip = () => {
      if (socket.destroyed) return;
      if (at >= 60) return void socket.write(bytes.subarray(at), () => patience(PATIENCE_MS));
      socket.write(bytes.subarray(at, ++at));
      setImmediate(drip);
    };
    drip();
  });
}

/** Names that the servers make; anything else in the folder came from a client. */
const ours = /^(chunks|contents\.log|[0-9a-f]{64}\.(data|json|complete|meta|log|part|tmp)|[\w-]{8,128}(\.json)?)$/;

/** What was made, changed or linked where nothing should be. */
async function outside(dataDir: string): Promise<string[]> {
  const faults: string[] = [];
  const sandbox = dirname(dataDir);
  const beside = (await readdir(sandbox)).sort().join();
  if (beside !== 'canary.txt,data') faults.push(`beside the folder: ${beside}`);
  if ((await readFile(join(sandbox, 'canary.txt'), 'utf8')) !== CANARY) faults.push('the canary was changed');
  for (const folder of ['/', '/tmp', process.cwd(), dirname(sandbox), join(dataDir, 'chunks')]) {
    if (existsSync(join(folder, MARK))) faults.push(`a file was made in ${folder}`);
  }
  for (const name of await readdir(dataDir, { recursive: true })) {
    const last = name.split('/').at(-1) ?? '';
    if (!ours.test(last)) faults.push(`in the folder: ${JSON.stringify(name)}`);
    if ((await lstat(join(dataDir, name)).catch(() => undefined))?.isSymbolicLink()) faults.push(`a link: ${name}`);
  }
  return faults;
}
