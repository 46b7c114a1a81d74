// One upload through the real engine, from a plan: the page hands a file over, workers come and go, the wire does its
// worst, and somebody signs in. Says what happened; judge.ts says what that is worth.

import { systemClock } from '../../sw/clock.js';
import type { UploadRecord } from '../../sw/store/schema.js';
import { createUploadStore } from '../../sw/store/upload-store.js';
import { Life } from '../engine/life.js';
import { VirtualTime } from '../engine/virtual-time.js';
import { itemOf, startWorker, type TestWorker } from '../engine/worker.js';
import { Dice } from './dice.js';
import type { RunningServer, Subject } from './subject.js';
import { type Asked, type Entry, type Strike, Wire } from './wire.js';
import { Witness } from './witness.js';

/** What a strike may use of the run it belongs to. */
export interface Stage {
  readonly journal: readonly Entry[];
  readonly nowMs: number;
  readonly forget: () => Promise<void>;
  readonly lose: () => Promise<void>;
}

export interface Plan {
  readonly seed: number;
  readonly sizeBytes: number;
  readonly pieceBytes: number;
  /** Names the file, together with the seed. */
  readonly label: string;
  readonly strike?: (asked: Asked, stage: Stage) => Strike | undefined;
  /** Awaits at which one worker after the other is stopped. */
  readonly stops?: readonly number[];
  readonly limitBytes?: number;
  readonly hidesHeaders?: boolean;
  /** As soon as a request hangs. */
  readonly cancels?: boolean;
}

export interface Run {
  readonly plan: Plan;
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly journal: readonly Entry[];
  readonly witness: Witness;
  /** Where the upload stands at the end; undefined if it was never stored. */
  readonly record: UploadRecord | undefined;
  /** What cannot be laid at a fault's door. */
  readonly complaints: readonly string[];
  /** How often a worker was really stopped. */
  readonly stops: number;
  /** Awaits of the last worker. */
  readonly crossings: number;
  /** Virtual time from the last trouble to the end. */
  readonly calmMs: number;
  /** Timers a second after the end: none is needed any more. */
  readonly timersLeft: number;
  /** Requests in the hour after the end. */
  readonly afterwards: number;
  /** Hidden headers were named in the error, exposed, and the upload tried again. */
  readonly exposed: boolean;
  readonly trace: () => string;
}

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
/** Retry-After asks for minutes here, and somebody signs in within an hour, six times at most. */
const RUN_LIMIT_MS = 10 * HOUR_MS;
/** No run needs as many: such an adapter goes round in circles. */
const MOST_REQUESTS = 500;
/** What a header's absence must be called, so that whoever runs the server knows what to do. */
export const EXPOSE = 'Access-Control-Expose-Headers';

let runs = 0;

export async function deliver(subject: Subject, server: RunningServer, plan: Plan): Promise<Run> {
  runs += 1;
  // A database of its own, and nothing left of the one before.
  globalThis.indexedDB = new IDBFactory();
  const name = `${plan.label}-${plan.seed}-${runs}.bin`.replace(/[^a-zA-Z0-9.-]+/g, '-');
  return new Delivery(subject, server, plan, name).run();
}

class Delivery {
  readonly #subject: Subject;
  readonly #server: RunningServer;
  readonly #plan: Plan;
  readonly #name: string;
  readonly #time: VirtualTime;
  readonly #witness = new Witness();
  readonly #wire: Wire;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #lines: (() => string)[] = [];
  readonly #complaints: string[] = [];
  readonly #databaseName = `conformance-${runs}`;
  readonly #store = createUploadStore(this.#databaseName, systemClock);
  #lives = 0;
  #accepted = false;
  #cancelled = false;
  #exposed = false;
  readonly #startedMs: number;
  #troubleMs: number;
  #status = '';

  constructor(subject: Subject, server: RunningServer, plan: Plan, name: string) {
    this.#subject = subject;
    this.#server = server;
    this.#plan = plan;
    this.#name = name;
    this.#time = new VirtualTime(1 + (plan.seed % 2_000_000_000));
    this.#startedMs = this.#time.now();
    this.#troubleMs = this.#startedMs;
    this.#bytes = new Dice(plan.seed, 'bytes', name).bytes(plan.sizeBytes);
    this.#wire = new Wire({
      nowMs: () => this.#time.now(),
      strike: (asked) => this.#strike(asked),
      restart: async () => this.#server.restart?.(),
      limitBytes: plan.limitBytes ?? Infinity,
      hidesHeaders: plan.hidesHeaders ?? false,
      answersWithinMs: subject.answersWithinMs ?? 30_000,
      onTaken: ({ phase, range }) => {
        if (phase === 'send' && range) this.#witness.taken(range);
      },
      onEntry: (entry) => {
        entry.life = this.#lives;
        this.#note(() => describe(entry));
      },
    });
  }

  async run(): Promise<Run> {
    const { stops = [] } = this.#plan;
    let stopped = 0;
    let life = new Life();
    try {
      for (const stopAt of [...stops, Infinity]) {
        life = new Life(stopAt, this.#wire.fetch);
        this.#lives += 1;
        const end = await this.#live(life);
        if (end !== 'stopped') break;
        stopped += 1;
        this.#trouble();
        this.#note(() => `  the worker is stopped at its await ${stopAt}`);
      }
    } catch (cause) {
      this.#complaints.push(cause instanceof Error ? cause.message : String(cause));
    }
    const record = await this.#record();
    const calmMs = this.#time.now() - this.#troubleMs;
    const before = this.#wire.journal.length;
    // Until then the last progress is told.
    await this.#time.pass(SECOND_MS);
    const timersLeft = this.#time.timers;
    await this.#time.pass(HOUR_MS - SECOND_MS);
    const afterwards = this.#wire.journal.length - before;
    life.end();
    this.#wire.close();
    return {
      plan: this.#plan,
      name: this.#name,
      bytes: this.#bytes,
      journal: this.#wire.journal,
      witness: this.#witness,
      record,
      complaints: [...this.#complaints, ...this.#wire.complaints],
      stops: stopped,
      crossings: life.crossings,
      calmMs,
      timersLeft,
      afterwards,
      exposed: this.#exposed,
      trace: () => this.#lines.map((line) => line()).join('\n'),
    };
  }

  async #live(life: Life): Promise<'stopped' | 'over'> {
    const worker = startWorker({
      databaseName: this.#databaseName,
      life,
      clock: this.#time,
      endpoints: { subject: this.#witness.watch(this.#subject.adapter(this.#server.origin, this.#plan.pieceBytes)) },
      onEvent: (event) => {
        for (const snapshot of event.type === 'changed' ? event.snapshots : []) {
          this.#stands(snapshot);
          if (snapshot.status === 'waiting' && snapshot.reason === 'server') this.#bind();
        }
      },
    });
    const begun = this.#begin(worker);
    begun.catch((cause: unknown) => this.#complaints.push(`The engine refused a command: ${String(cause)}`));
    const end = async () => {
      const over = life.dead ? undefined : await this.#look(worker);
      // It may have died while somebody looked.
      return over ?? (life.dead && 'stopped');
    };
    return this.#time.until('the end', end, RUN_LIMIT_MS);
  }

  async #begin(worker: TestWorker): Promise<void> {
    if (this.#accepted) return void (await worker.send({ type: 'wake', reason: 'start' }));
    const items = [itemOf(this.#name, this.#bytes)];
    await worker.send({ type: 'enqueue', endpoint: 'subject', metadata: {}, priority: 'normal', items });
    this.#accepted = true;
  }

  /** What a page and its user do: look, sign in, cancel, try again. */
  async #look(worker: TestWorker): Promise<'over' | undefined> {
    const record = await this.#record();
    if (this.#wire.journal.length > MOST_REQUESTS) throw new Error(`More than ${MOST_REQUESTS} requests.`);
    if (record === undefined) return undefined;
    const { state } = record.course;
    if (this.#plan.cancels && !this.#cancelled && this.#wire.hanging > 0) {
      this.#cancelled = true;
      await this.#control(worker, record, 'cancel');
      return undefined;
    }
    if (this.#wire.signedOut && state.status === 'waiting' && state.reason === 'auth') {
      const before = this.#wire.journal.length;
      await this.#time.pass(HOUR_MS);
      if (this.#wire.journal.length > before) this.#complaints.push('It asked again before anybody had signed in.');
      this.#wire.signIn();
      this.#trouble();
      this.#note(() => '  somebody signs in');
      await this.#control(worker, record, 'resume');
      return undefined;
    }
    const error = state.status === 'failed' || state.status === 'waiting' ? state.error : undefined;
    if (this.#wire.hidesHeaders && error?.message.includes(EXPOSE)) {
      this.#wire.hidesHeaders = false;
      this.#exposed = true;
      this.#trouble();
      this.#note(() => '  the server exposes its headers');
      await this.#control(worker, record, 'retry');
      return undefined;
    }
    switch (state.status) {
      case 'completed':
      case 'failed':
      case 'lost':
        return 'over';
      case 'cancelled':
        return (await this.#store.endpointsWithWork()).length === 0 ? 'over' : undefined;
      default:
        return undefined;
    }
  }

  async #control(worker: TestWorker, { id }: UploadRecord, control: 'cancel' | 'resume' | 'retry'): Promise<void> {
    await Promise.race([worker.send({ type: 'control', control, ids: [id] }), worker.life.died]);
  }

  async #record(): Promise<UploadRecord | undefined> {
    // No worker may have made the database yet; then this does.
    const [record] = await this.#store.list(-1, 1);
    return record !== undefined && 'course' in record ? record : undefined;
  }

  #strike(asked: Asked): Strike | undefined {
    const strike = this.#plan.strike?.(asked, {
      journal: this.#wire.journal,
      nowMs: this.#time.now(),
      forget: () => this.#without('forget'),
      lose: () => this.#without('lose'),
    });
    if (strike !== undefined) this.#trouble(strike.type === 'answered' ? strike.notBeforeMs : undefined);
    return strike;
  }

  async #without(hook: 'forget' | 'lose'): Promise<void> {
    await this.#server[hook]?.(this.#name);
    this.#witness.lost();
  }

  #trouble(atMs = this.#time.now()): void {
    this.#troubleMs = Math.max(this.#troubleMs, atMs);
  }

  /** A Retry-After that was committed binds the workers to come, too. */
  #bind(): void {
    const asked = this.#wire.journal.findLast(({ notBeforeMs }) => notBeforeMs !== undefined);
    if (asked) asked.life = undefined;
  }

  #stands(snapshot: { readonly status: string; readonly acknowledgedBytes: number }): void {
    const { status, acknowledgedBytes } = snapshot;
    const more = snapshot as {
      readonly reason?: string;
      readonly error?: { readonly code: string; readonly message: string };
    };
    const why = [more.reason, more.error?.code, more.error?.message].filter(Boolean).join(', ');
    const stands = `  ${status}${why && ` (${why})`}, ${acknowledgedBytes} of ${this.#bytes.length} bytes`;
    if (stands === this.#status) return;
    this.#status = stands;
    this.#note(() => stands);
  }

  #note(line: () => string): void {
    const seconds = ((this.#time.now() - this.#startedMs) / 1000).toFixed(1);
    this.#lines.push(() => `${seconds.padStart(8)} s ${line()}`);
  }
}

function describe({
  ordinal,
  phase,
  range,
  method,
  path,
  bodyBytes,
  strike,
  status,
  seen = 'under way',
}: Entry): string {
  const bytes = range ? ` [${range[0]}, ${range[1]})` : '';
  const body = bodyBytes > 0 ? `, ${bodyBytes} bytes` : '';
  const server = status === undefined || String(status) === seen ? '' : `server ${status}, `;
  return `#${ordinal} ${phase ?? '?'}${bytes}: ${method} ${path}${body} -> ${strike ? `${strike.toUpperCase()}: ` : ''}${server}${seen}`;
}
