// The list of deliberate faults. Each breaks a promise of the design, and some test must see it. `find` is short, so that it
// outlives a reshaping, and occurs once in its file.

export interface Fault {
  readonly file: string;
  /** What is wrong with it. */
  readonly what: string;
  readonly find: string;
  readonly replace: string;
  /** The tests that have to see it, the fast ones first. */
  readonly caughtBy: readonly string[];
}

const plainServer = ['e2e/engine/plain-server.test.ts'] as const;
const commands = ['e2e/engine/commands.test.ts'] as const;
const scheduler = ['e2e/engine/scheduler.test.ts'] as const;
const anywhere = ['e2e/engine/stop-anywhere.test.ts'] as const;
const http = ['sw/protocols/http.test.ts'] as const;
const store = ['sw/store/upload-store.test.ts'] as const;
const intake = ['sw/intake.test.ts', 'e2e/engine/commands.test.ts'] as const;
const server = ['demo/server/durability.test.ts', 'demo/server/upload-server.test.ts'] as const;

export const faults: readonly Fault[] = [
  // runner
  {
    file: 'sw/runner.ts',
    what: 'after a failure it does not ask, but sends on',
    find: 'synced = false;',
    replace: 'synced = true;',
    caughtBy: plainServer,
  },
  {
    file: 'sw/runner.ts',
    what: 'sends what is left of a file that the browser has cut',
    find: 'bytes?.size === sizeBytes',
    replace: 'bytes',
    caughtBy: commands,
  },
  {
    file: 'sw/runner.ts',
    what: 'forgets that the last life may have sent something',
    find: 'let unsettled = tried;',
    replace: 'let unsettled = false;',
    caughtBy: [...anywhere, ...plainServer],
  },
  {
    file: 'sw/runner.ts',
    what: 'a server that loses bytes for ever is never given up',
    find: 'record.course.restarts > RESTART_BUDGET',
    replace: 'false',
    caughtBy: plainServer,
  },
  {
    file: 'sw/runner.ts',
    what: 'publishes before the commit, what may never become true',
    find: 'const next = await store.apply(id, event);',
    replace:
      'outbox.changed({ ...record, revision: record.revision + 1 });\n    const next = await store.apply(id, event);',
    caughtBy: [...commands, ...anywhere],
  },
  {
    file: 'sw/runner.ts',
    what: 'goes on with an upload that was paused',
    find: 'if (record.turn === undefined)',
    replace: "if (record.turn === undefined && record.course.state.status !== 'paused')",
    caughtBy: commands,
  },
  {
    file: 'sw/request.ts',
    what: 'no stall limit: a dead connection is waited for without end',
    find: 'if (leftMs <= 0) return elapsedMs();',
    replace: 'if (leftMs <= 0) return new Promise<number>(() => {});',
    caughtBy: plainServer,
  },
  // scheduler
  {
    file: 'sw/scheduler.ts',
    what: 'drops the driver lock: two worker versions drive at once',
    find: 'await holdLock(async () => {',
    replace: 'await (async (task: () => Promise<void>) => task())(async () => {',
    caughtBy: [...scheduler, ...commands],
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a dead endpoint is asked by every upload in turn',
    find: 'now < gate.untilMs',
    replace: 'false',
    caughtBy: plainServer,
  },
  {
    file: 'sw/scheduler.ts',
    what: 'sends while files are being stored',
    find: 'if (storing > 0 || calledBack) return',
    replace: 'if (calledBack) return',
    caughtBy: scheduler,
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a wake-up by the network hastens nobody',
    find: 'online: passing,',
    replace: 'online: [],',
    caughtBy: plainServer,
  },
  // store
  {
    file: 'sw/store/upload-store.ts',
    what: 'says "stored" before the transaction is complete',
    find: 'await done;\n        return value;',
    replace: 'return value;',
    caughtBy: store,
  },
  {
    file: 'sw/store/upload-store.ts',
    what: 'keeps the bytes of what is delivered or cancelled',
    find: 'if (frees(change)) quietly',
    replace: 'if (false) quietly',
    caughtBy: store,
  },
  {
    file: 'sw/store/upload-store.ts',
    what: 'deletes bytes with any answer, before the server has confirmed them all',
    find: 'event.doneAtMs !== undefined',
    replace: 'event.reply !== undefined',
    caughtBy: [...store, ...plainServer],
  },
  {
    file: 'sw/store/upload-store.ts',
    what: 'removes uploads that are under way',
    find: '!isSettled(record.course.state.status)',
    replace: 'false',
    caughtBy: store,
  },
  {
    file: 'sw/store/upload-store.ts',
    what: 'a change counts no revision: tabs keep the older word',
    find: 'revision: record.revision + 1, course',
    replace: 'revision: record.revision, course',
    caughtBy: store,
  },
  // intake
  {
    file: 'sw/intake.ts',
    what: 'accepts without reading back what was stored',
    find: '|| !(await isReadable(lastByte(blob), clock))',
    replace: '',
    caughtBy: intake,
  },
  {
    file: 'sw/intake.ts',
    what: 'accepts a file that has another size than it said',
    find: '!== sizeBytes) return changed(name)',
    replace: '=== -1) return changed(name)',
    caughtBy: intake,
  },
  {
    file: 'sw/intake.ts',
    what: 'takes any name for an endpoint',
    find: 'if (!tools.isEndpoint(command.endpoint))',
    replace: 'if (false)',
    caughtBy: intake,
  },
  // outbox
  {
    file: 'sw/outbox.ts',
    what: 'an older record overwrites a newer one',
    find: '<= record.revision)',
    replace: '<= Infinity)',
    caughtBy: ['sw/outbox.test.ts'],
  },
  // http
  {
    file: 'sw/protocols/http.ts',
    what: 'follows redirects, with the credentials',
    find: "redirect: 'manual'",
    replace: "redirect: 'follow'",
    caughtBy: http,
  },
  {
    file: 'sw/protocols/http.ts',
    what: 'reads an answer without end',
    find: 'text.length < most',
    replace: 'true',
    caughtBy: http,
  },
  {
    file: 'sw/protocols/http.ts',
    what: 'loses Retry-After',
    find: 'return Number.isFinite(ms) ? Math.max(0, ms) : undefined;',
    replace: 'return undefined;',
    caughtBy: http,
  },
  {
    file: 'sw/protocols/http.ts',
    what: 'lets through a header with a line break',
    find: '/^[\\x20-\\x7e]*$/.test(value)',
    replace: 'true',
    caughtBy: http,
  },
  // adapters
  {
    file: 'sw/protocols/byte-offset.ts',
    what: 'believes the first of two falling numbers',
    find: 'const fell = number < context.heldBytes;',
    replace: 'const fell = false;',
    caughtBy: ['sw/protocols/byte-offset.test.ts'],
  },
  {
    file: 'sw/protocols/byte-offset.ts',
    what: 'trusts what it sent, not what the server says',
    find: 'if (number === undefined) return {};',
    replace: 'return {};',
    caughtBy: ['sw/protocols/byte-offset.test.ts'],
  },
  {
    file: 'sw/protocols/tus.ts',
    what: 'trusts what it sent, not Upload-Offset',
    find: 'grown(url, offsetOf(url, answer, upload), range)',
    replace: 'range[1]',
    caughtBy: ['sw/protocols/tus.test.ts'],
  },
  {
    file: 'sw/protocols/upload-resource.ts',
    what: 'takes the offset of another file',
    find: '(length ?? sizeBytes) === sizeBytes',
    replace: 'true',
    caughtBy: ['sw/protocols/tus.test.ts', 'sw/protocols/resumable-upload.test.ts'],
  },
  {
    file: 'sw/protocols/resumable-upload.ts',
    what: 'tells every body to be the last',
    find: "'Upload-Complete': final ? '?1' : '?0'",
    replace: "'Upload-Complete': '?1'",
    caughtBy: ['sw/protocols/resumable-upload.test.ts'],
  },
  {
    file: 'sw/protocols/chunks.ts',
    what: 'a file without a name of its own is called by nothing',
    find: '?? crypto.randomUUID()',
    replace: "?? ''",
    caughtBy: ['sw/protocols/chunks.test.ts'],
  },
  {
    file: 'sw/protocols/chunk-questions.ts',
    what: 'believes in chunks that the file does not have',
    find: 'index < count)',
    replace: 'index < Infinity)',
    caughtBy: ['sw/protocols/chunks.test.ts'],
  },
  {
    file: 'sw/protocols/s3.ts',
    what: 'takes a 200 with an error in it for a yes',
    find: "|| answer.xml?.name !== 'CompleteMultipartUploadResult'",
    replace: '',
    caughtBy: ['sw/protocols/s3.test.ts'],
  },
  {
    file: 'sw/protocols/s3-request.ts',
    what: 'asks once, and uses the same signature for every retry',
    find: 'await signed(sign, { upload, ...step }, io)',
    replace: 'await (((sign as any).once ??= signed(sign, { upload, ...step }, io)) as ReturnType<typeof signed>)',
    caughtBy: ['sw/protocols/s3.test.ts'],
  },
  // page
  {
    file: 'src/mirror.ts',
    what: 'an older word overwrites a newer one',
    find: '|| (before?.revision ?? 0) > snapshot.revision',
    replace: '',
    caughtBy: ['src/mirror.test.ts'],
  },
  {
    file: 'src/mirror.ts',
    what: 'a removed upload comes back by a late listing',
    find: 'this.#gone.has(snapshot.id) ||',
    replace: '',
    caughtBy: ['src/mirror.test.ts'],
  },
  // reference server
  {
    file: 'demo/server/upload-file.ts',
    what: 'acknowledges before fsync',
    find: 'await handle.datasync();',
    replace: '',
    caughtBy: server,
  },
  {
    file: 'demo/server/receive-upload.ts',
    what: 'takes bytes for a wrong start',
    find: 'if (claim.startByte !== (await this.#file.durableBytes()))',
    replace: 'if ((await this.#file.durableBytes()) < 0)',
    caughtBy: server,
  },
  {
    file: 'demo/server/turns.ts',
    what: 'two writers of one file at once',
    find: 'const ready = previous?.released ?? Promise.resolve();',
    replace: 'const ready = Promise.resolve();',
    caughtBy: [...server, 'demo/server/chunk-server.test.ts'],
  },
  {
    file: 'demo/server/chunked-upload.ts',
    what: 'counts a chunk before its bytes are safe',
    find: 'if (!(await pump(file))) return;\n      await file.datasync();',
    replace: 'await pump(file);',
    caughtBy: ['demo/server/chunk-server.test.ts'],
  },
  {
    file: 'demo/server/chunk-store.ts',
    what: 'believes the hash that the client says',
    find: 'claimed !== hash)',
    replace: 'false)',
    caughtBy: ['demo/server/chunk-server.test.ts'],
  },
];
