// The invariants of the design, each checked where it can be broken first: at a commit, at a request, at a call of the
// adapter. A complaint begins with the invariant's number.

import { openEnvelope } from '../../src/contracts/messages.js';
import type { UploadStatus } from '../../src/contracts/upload.js';
import { normalize, totalBytes } from '../../sw/core/ranges.js';
import type { Adapter, Io, Range, Reply } from '../../sw/protocols/adapter.js';
import { parseRecord, type UploadRecord } from '../../sw/store/schema.js';
import type { RawTransaction } from './platform/indexed-db.js';
import { ORIGIN, type Protocol } from './servers/protocols.js';
import type { Agent } from './world/loop.js';
import type { Passing } from './world/network.js';
import type { World } from './world/world.js';

/** What is in the store, committed. */
export interface Committed {
  readonly records: ReadonlyMap<string, UploadRecord>;
  readonly bytes: ReadonlySet<string>;
}

/** A command takes the worker so long, at most. */
const HURRY_MS = 100;

const calls = ['create', 'probe', 'send', 'complete'] as const;

export class Checks {
  readonly complaints: string[] = [];
  committed: Committed = { records: new Map(), bytes: new Set() };
  onChange: (id: string, revision: number) => void = () => {};
  /** An upload has come to that state. */
  onStatus: (status: UploadStatus, name: string) => void = () => {};
  /** When the store last came to say something else of an upload. */
  changedAtMs = 0;
  /** How often the simulator itself is about to take bytes away. */
  evictions = 0;
  /** How often the server lost what it had acknowledged, or a person began a file anew: then it may be there twice. */
  readonly #begunAnew = new Map<string, number>();
  readonly #world: World;
  readonly #protocol: Protocol;
  readonly sources: ReadonlyMap<string, Uint8Array>;
  readonly #said = new Map<string, readonly Range[]>();
  readonly #unknown = new Map<string, Range[]>();
  #hurriedAtMs = -Infinity;
  readonly #asked = new Map<string, { readonly life: Agent | undefined; readonly untilMs: number }>();

  constructor(world: World, protocol: Protocol, sources: ReadonlyMap<string, Uint8Array>) {
    this.#world = world;
    this.#protocol = protocol;
    this.sources = sources;
  }

  complain(what: string): void {
    this.complaints.push(what);
    this.#world.note(`!! ${what}`);
  }

  /** 3, 5, 2: after each commit, the store alone must be enough, and must not say more than the server did. */
  onCommit(transaction: RawTransaction): void {
    const stores = transaction.db._rawDatabase.rawObjectStores;
    const records = new Map<string, UploadRecord>();
    for (const { key, value } of stores.get('uploads')?.records.values() ?? []) {
      const record = parseRecord(value);
      if (record) records.set(String(key), record);
      else this.complain(`5: the record ${String(key)} cannot be read`);
    }
    const bytes = new Set<string>();
    for (const { key } of stores.get('bytes')?.records.values() ?? []) bytes.add(String(key));
    const before = this.committed;
    this.committed = { records, bytes };
    if (this.evictions > 0) return;
    for (const [id, record] of records) this.#look(record, before.records.get(id), bytes.has(id));
    for (const id of before.records.keys()) {
      const status = before.records.get(id)?.course.state.status ?? '';
      const isSettled = ['completed', 'failed', 'cancelled', 'lost'].includes(status);
      if (!records.has(id) && !isSettled)
        this.complain(`3: ${before.records.get(id)?.name} is gone, and was ${status}`);
    }
  }

  #look(record: UploadRecord, before: UploadRecord | undefined, hasBytes: boolean): void {
    const { name, course } = record;
    const { state } = course;
    const { status } = state;
    if (before?.revision !== record.revision) {
      this.changedAtMs = this.#world.loop.elapsedMs;
      this.onChange(record.id, record.revision);
      if (before?.course.state.status !== status) this.onStatus(status, name);
      const error =
        'error' in course.state && course.state.error
          ? ` (${course.state.error.code}: ${course.state.error.message})`
          : '';
      this.#world.note(`   ${name} ${status}${error}, ${totalBytes(course.held)} of ${record.sizeBytes}`);
    }
    const isOver = status === 'completed' || status === 'cancelled' || status === 'lost';
    if (!hasBytes && !isOver && !this.evicted.has(record.id))
      this.complain(`3: the bytes of ${name} are gone, and it is ${status}`);
    if (status === 'completed' && before?.course.state.status !== 'completed') {
      const source = this.sources.get(name);
      const found = this.#protocol.finished(this.#world.disk, name);
      if (!found.some((bytes) => source && Buffer.compare(bytes, source) === 0))
        this.complain(`3: ${name} is completed, and the server has no such file`);
    }
    // Where parts of one file were told both to wait and to sign in, whoever signs in has waited.
    if (state.status === 'waiting' && state.reason === 'auth') this.#asked.delete(record.id);
    // What the server had of it is freed: whatever it said before is over.
    if (state.status === 'cancelled' && state.freed) this.#said.delete(record.id);
    // A stranger's 404 is the server's word as far as can be told: that it has no such upload.
    if (before && course.restarts > before.course.restarts && this.#world.network.denied) this.beginsAnew(name);
    if (before?.course.restarts === 0 && course.restarts > 0 && course.remote === null) this.#judgeRestart(before);
    const said = this.#said.get(record.id) ?? [];
    if (before && status !== 'completed' && totalBytes(course.held) > totalBytes(before.course.held)) {
      const more = normalize([...said, ...course.held]);
      if (totalBytes(more) > totalBytes(said)) this.complain(`2: ${name} holds more than the server has said`);
    }
  }

  /** 7: an upload is not begun anew while the server has what it said, save after a stranger's word. */
  #judgeRestart({ name, course }: UploadRecord): void {
    const saidBytes = totalBytes(course.held);
    const heldBytes = this.#protocol.heldBytes(this.#world.disk, name);
    // After more than one beginning it might be another one's bytes.
    if (saidBytes > 0 && heldBytes >= saidBytes && !this.#world.network.denied && !this.#begunAnew.has(name))
      this.complain(`7: ${name} is begun anew, and the server has ${heldBytes} bytes of it`);
  }

  /** Bytes that the simulator took away. */
  readonly evicted = new Set<string>();

  /** 4, 10: every request. */
  onRequest({ life, url }: Passing): void {
    if (!url.startsWith(`${ORIGIN}/`)) this.complain(`10: a request to ${url}`);
    const holder = this.#world.locks.holder('backhaul:/');
    if (holder !== life) this.complain(`4: ${life.name} sends while ${holder?.name ?? 'nobody'} holds the lock`);
  }

  /** 7, 2: every call of the adapter. */
  watch(adapter: Adapter): Adapter {
    const watched: Record<string, unknown> = { ...adapter };
    for (const method of calls) {
      const own = adapter[method] as ((...args: unknown[]) => Promise<Reply>) | undefined;
      if (own === undefined) continue;
      watched[method] = async (...args: unknown[]) => {
        const { id, name } = args[0] as { id: string; name: string };
        this.#obeys(id, name);
        args = args.map((arg) => (isIo(arg) ? this.#listen(arg, id) : arg));
        const range = method === 'send' ? (args[2] as Range) : undefined;
        const unknown = this.#unknown.get(id) ?? [];
        this.#unknown.set(id, unknown);
        if (range) {
          const held = this.committed.records.get(id)?.course.held ?? [];
          const again = overlap(range, this.#said.get(id) ?? []) + overlap(range, held);
          if (again > 0) this.complain(`7: ${again} acknowledged bytes of ${name} are sent again`);
          if (unknown.some((each) => overlap(range, [each]) > 0))
            this.complain(`7: ${name} is sent again without a question`);
          unknown.push(range);
        }
        const reply = await own.apply(adapter, args);
        const truth = this.#protocol.heldBytes(this.#world.disk, name);
        if (range) unknown.splice(unknown.indexOf(range), 1);
        else unknown.length = 0;
        // What is new holds nothing, said or not.
        const before = method === 'create' ? [] : (this.#said.get(id) ?? []);
        const held = reply.held ?? (range ? [...before, range] : before);
        this.#said.set(id, normalize(range && reply.held ? [...before, ...held] : held));
        if (totalBytes(normalize(held)) > truth && this.#world.loop.current && !this.mayHaveLost)
          this.complain(`2: ${name}: ${totalBytes(normalize(held))} bytes are believed, the server has ${truth}`);
        return reply;
      };
    }
    return watched as unknown as Adapter;
  }

  /** 6: who asked for time gets it, unless somebody is in a hurry. */
  #obeys(id: string, name: string): void {
    const { loop } = this.#world;
    const asked = this.#asked.get(id);
    if (asked && asked.life === loop.current && loop.elapsedMs < asked.untilMs)
      this.complain(`6: ${name} goes on ${Math.round(asked.untilMs - loop.elapsedMs)} ms before Retry-After is over`);
  }

  /** A button that somebody pressed has come to the worker, perhaps by way of one that was stopped. */
  onMessage(data: unknown): void {
    const { type } = (openEnvelope(data)?.body ?? {}) as { readonly type?: unknown };
    if (type === 'control' || type === 'enqueue') this.hurry();
  }

  /** What was asked for before no longer counts: somebody was in a hurry, or a clock has jumped. */
  hurry(): void {
    this.#asked.clear();
    this.#hurriedAtMs = this.#world.loop.elapsedMs;
  }

  #listen(io: Io, id: string): Io {
    return {
      ...io,
      request: async (url, options) => {
        const answer = await io.request(url, options);
        const seconds = Number(answer.header('Retry-After') ?? 0);
        const { loop } = this.#world;
        // A little less: the answer has been on its way.
        const isHurried = loop.elapsedMs - this.#hurriedAtMs < HURRY_MS;
        if (seconds > 0 && !answer.ok && !isHurried)
          this.#asked.set(id, { life: loop.current, untilMs: loop.elapsedMs + seconds * 1000 - 10 });
        return answer;
      },
    };
  }

  beginsAnew(name: string): void {
    this.#begunAnew.set(name, (this.#begunAnew.get(name) ?? 0) + 1);
  }

  /** A power cut has come between the answer and its arrival. */
  mayHaveLost = false;

  /** 8, 3: what the server has at the end. */
  judgeServer(): void {
    for (const [name, source] of this.sources) {
      const found = this.#protocol.finished(this.#world.disk, name);
      if (found.some((bytes) => Buffer.compare(bytes, source) !== 0))
        this.complain(`2: the server finished another file under the name ${name}`);
      const most = 1 + (this.#begunAnew.get(name) ?? 0);
      if (found.length > most) this.complain(`8: the server finished ${name} ${found.length} times`);
    }
  }
}

function overlap([start, end]: Range, ranges: readonly Range[]): number {
  return ranges.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)), 0);
}

function isIo(value: unknown): value is Io {
  return typeof value === 'object' && value !== null && 'request' in value && 'nowMs' in value;
}
