// The list of deliberate faults. Each breaks a promise of the design, and some test must see it. `find` is short, so that it
// outlives a reshaping, and occurs once in its file.

/** A test file, and words of the names of those of its tests that are run (default: all). */
export interface Catcher {
  readonly test: string;
  readonly named?: string;
}

export interface Fault {
  readonly file: string;
  /** What is wrong with it. */
  readonly what: string;
  readonly find: string;
  readonly replace: string;
  /** What has to see it, the fast one first. */
  readonly caughtBy: readonly Catcher[];
}

const plainServer = (named: string) => [{ test: 'e2e/engine/plain-server.test.ts', named }];
const commands = (named: string) => [{ test: 'e2e/engine/commands.test.ts', named }];
const scheduler = (named: string) => [{ test: 'e2e/engine/scheduler.test.ts', named }];
const remoteLife = (named: string) => [{ test: 'e2e/engine/remote-life.test.ts', named }];
const chunkServer = (named: string) => [{ test: 'demo/server/chunk-server.test.ts', named }];
const uploadServer = (named: string) => [{ test: 'demo/server/upload-server.test.ts', named }];
const durability = (named: string) => [{ test: 'demo/server/durability.test.ts', named }];
const simulation = (named: string) => [{ test: 'e2e/simulation/simulate.test.ts', named }];
const shareTarget = (named: string) => [{ test: 'e2e/engine/share-target.test.ts', named }];
const notify = (named: string) => [{ test: 'e2e/engine/notify.test.ts', named }];
const policies = (named: string) => [{ test: 'e2e/engine/policies.test.ts', named }];
const unit = (test: string) => [{ test: `${test}.test.ts` }];
const http = unit('sw/protocols/http');
const store = unit('sw/store/upload-store');
const intake = unit('sw/intake');
const channel = unit('src/channel');

export const faults: readonly Fault[] = [
  // core (all of it is Stryker's; these are the promises)
  {
    file: 'sw/core/machine.ts',
    what: 'forgets that something was sent: after a stop, it sends again without a question',
    find: "state: { status: 'uploading' }, tried: true",
    replace: "state: { status: 'uploading' }, tried: false",
    caughtBy: unit('sw/core/machine'),
  },
  {
    file: 'sw/core/retry.ts',
    what: 'jitter before the cap: after long outages everybody comes at the same moment',
    find: 'random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(outage.attempt, 30), BASE_MS + quarter)',
    replace: 'Math.min(CAP_MS, random() * Math.min(BASE_MS * 2 ** Math.min(outage.attempt, 30), BASE_MS + quarter))',
    caughtBy: unit('sw/core/retry'),
  },
  {
    file: 'sw/core/retry.ts',
    what: 'comes back before the time that Retry-After asked for',
    find: 'Math.max(askedMs, delayMs)',
    replace: 'delayMs',
    caughtBy: unit('sw/core/retry'),
  },
  // runner
  {
    file: 'sw/runner.ts',
    what: 'after a failure it does not ask, but sends on',
    find: 'synced = false;',
    replace: 'synced = true;',
    caughtBy: scheduler('before the answer was lost is asked about'),
  },
  {
    file: 'sw/runner.ts',
    what: 'sends what is left of a file that the browser has cut',
    find: 'bytes?.size === sizeBytes',
    replace: 'bytes',
    caughtBy: commands('bytes of which the browser kept a part'),
  },
  {
    file: 'sw/runner.ts',
    what: 'in a new life it sends before it asks',
    find: 'let synced = !tried && ',
    replace: 'let synced = ',
    caughtBy: scheduler('by an earlier life of the worker is asked about'),
  },
  {
    file: 'sw/runner.ts',
    what: 'forgets that a request of the last life may still be draining',
    find: 'let unsettled = tried;',
    replace: 'let unsettled = false;',
    caughtBy: scheduler('by an earlier life of the worker is asked about'),
  },
  {
    file: 'sw/runner.ts',
    what: 'takes a request without an answer for one that is over',
    find: 'unsettled = true;',
    replace: 'unsettled = false;',
    caughtBy: scheduler('before the answer was lost is asked about'),
  },
  {
    file: 'sw/runner.ts',
    what: 'a server that loses bytes for ever is never given up',
    find: 'record.course.restarts > RESTART_BUDGET',
    replace: 'false',
    caughtBy: plainServer('a server that always loses its memory fails the upload'),
  },
  {
    file: 'sw/runner.ts',
    what: 'publishes before the commit, what may never become true',
    find: 'const next = await store.apply(id, event);',
    replace:
      'outbox.changed({ ...record, revision: record.revision + 1 });\n    const next = await store.apply(id, event);',
    caughtBy: scheduler('what could not be committed is told to nobody'),
  },
  {
    file: 'sw/runner.ts',
    what: 'completes an upload that another worker has cancelled',
    find: 'if (!next) throw new Ended();',
    replace: 'if (!next) return;',
    caughtBy: scheduler('what another worker has cancelled'),
  },
  {
    file: 'sw/runner.ts',
    what: 'asks again at once, for ever, when no send gains a byte',
    find: 'futile += 1;',
    replace: '',
    caughtBy: plainServer('a server whose uploads are reset while its status is well'),
  },
  {
    file: 'sw/runner.ts',
    what: 'asks for ever to free what the server refuses to free',
    find: "if (step.type === 'abort' && (",
    replace: "if (step.type === 'abort' && false && (",
    caughtBy: remoteLife('a server that refuses to free is not asked for ever'),
  },
  {
    file: 'sw/request.ts',
    what: 'no stall limit: a dead connection is waited for without end',
    find: 'if (leftMs <= 0) return elapsedMs();',
    replace: 'if (leftMs <= 0) return new Promise<number>(() => {});',
    caughtBy: plainServer('a request that is never answered is given up'),
  },
  {
    file: 'sw/install.ts',
    what: 'a worker that starts waits until somebody asks it to go on',
    find: "if (serviceWorker?.state === 'activated') void",
    replace: 'if (false) void',
    caughtBy: simulation('a worker that anything starts goes on'),
  },
  // scheduler
  {
    file: 'sw/scheduler.ts',
    what: 'drops the driver lock: two worker versions drive at once',
    find: 'await holdLock(() => loop(onWork));',
    replace: 'await loop(onWork);',
    caughtBy: scheduler('that cannot be had is asked for once a wake-up'),
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a dead endpoint is asked by every upload in turn',
    find: 'gate && now < gate.untilMs',
    replace: 'gate && false',
    caughtBy: plainServer('while one asks for a sign-in, a thousand others'),
  },
  {
    file: 'sw/scheduler.ts',
    what: "a neighbour's failure undoes the time that the server asked for",
    find: '...(stays ? gate : { untilMs, reason })',
    replace: '...{ untilMs, reason }',
    caughtBy: plainServer('Retry-After is not forgotten because a neighbour'),
  },
  {
    file: 'sw/scheduler.ts',
    what: 'sends while files are being stored',
    find: 'if (storing > 0 || calledBack) return',
    replace: 'if (calledBack) return',
    caughtBy: scheduler('go before uploads'),
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a wake-up by the network hastens nobody',
    find: 'online: passing,',
    replace: 'online: [],',
    caughtBy: plainServer('a page that says `online`'),
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a file that comes while the queue is read is overlooked',
    find: 'const look = view;',
    replace:
      'const look = view;\n    const seen = await store.endpointsWithWork();\n    look.endpoints ??= seen;\n    view.endpoints ??= seen;',
    caughtBy: scheduler('is not hidden by what was read before it came'),
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a wake-up while the lock is let go of is lost',
    find: '} while (bell.signal.aborted);',
    replace: '} while (false);',
    caughtBy: scheduler('turns after the lock was let go of is not lost'),
  },
  {
    file: 'sw/scheduler.ts',
    what: 'a pause leaves the request running',
    find: 'for (const { abort } of runs) abort.abort();',
    replace: '',
    caughtBy: commands('pause during a transfer keeps what the server has'),
  },
  // policies
  {
    file: 'sw/ask-first.ts',
    what: 'a request goes out over a connection that costs money',
    find: 'ask(args[0] as UploadSource).then(() => method(...args))',
    replace: 'method(...args)',
    caughtBy: policies('nothing is sent on it'),
  },
  {
    file: 'sw/policies.ts',
    what: 'what is under way goes on over a connection that costs money',
    find: 'await scheduler.stop(ids);',
    replace: '',
    caughtBy: policies('so does what is the trial'),
  },
  {
    file: 'sw/policies.ts',
    what: 'each visit of the user moves all that waits through the line',
    find: 'if (before === now) continue;',
    replace: '',
    caughtBy: policies('change nothing about it'),
  },
  {
    file: 'sw/policies.ts',
    what: 'a long queue is taken out of line one by one',
    find: 'if (hold) await holdUp(endpoint, hold);',
    replace: '',
    caughtBy: policies('comes to rest after few requests for it'),
  },
  {
    file: 'sw/policies.ts',
    what: 'what waits for a better connection waits for ever',
    find: "connection?.addEventListener('change', settle);",
    replace: '',
    caughtBy: policies('everything goes on at once'),
  },
  {
    file: 'sw/policies.ts',
    what: 'what is held up counts as an attempt that failed',
    find: "{ type: 'hastened', reasons, fresh: true },",
    replace: "{ type: 'hastened', reasons },",
    caughtBy: policies('no attempt counts'),
  },
  {
    file: 'sw/policies.ts',
    what: 'a policy holds up what its user wants at once',
    find: 'if (!hold || (await rules.wishes())[id]) return;',
    replace: 'if (!hold) return;',
    caughtBy: policies('sends that upload alone'),
  },
  {
    file: 'sw/policies.ts',
    what: 'what changes without a word is seen only between requests',
    find: 'tick();\n      void settle();',
    replace: 'tick();',
    caughtBy: policies('what changes without a word'),
  },
  {
    file: 'sw/policies.ts',
    what: 'an update of the app undoes what its user wants',
    find: '...wanted[name], ...kept[name], ...kept[endpoint]',
    replace: '...kept[name], ...kept[endpoint], ...wanted[name]',
    caughtBy: policies('counts field by field'),
  },
  {
    file: 'sw/user-wishes.ts',
    what: 'what the user wants is forgotten with the worker',
    find: 'await kept(changes);',
    replace: '',
    caughtBy: policies('counts field by field'),
  },
  {
    file: 'sw/user-wishes.ts',
    what: 'what is added again after a cancel is still wanted at once',
    find: 'void forget(idsOf(over)).catch(() => {});',
    replace: '',
    caughtBy: policies('what was cancelled in between is another wish'),
  },
  // store
  {
    file: 'sw/store/upload-store.ts',
    what: 'says "stored" before the transaction is complete',
    find: 'if (await complete)',
    replace: 'if (complete)',
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
    caughtBy: store,
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
    file: 'sw/scheduler.ts',
    what: 'takes what a server answers for a sign that the store takes writes again',
    find: 'if (now < pausedUntilMs) return pausedUntilMs;',
    replace: '',
    caughtBy: scheduler('that takes no end of an upload'),
  },
  {
    file: 'sw/intake.ts',
    what: 'accepts without reading back what was stored',
    find: '&& (await isReadable(lastByte(blob), clock))',
    replace: '',
    caughtBy: intake,
  },
  {
    file: 'sw/intake.ts',
    what: 'forgets what it accepted before, when the same file comes again and the copy is gone',
    find: 'idsOf(uploads).filter((id) => lost.has(id))',
    replace: '[...lost.keys()]',
    caughtBy: intake,
  },
  {
    file: 'sw/intake.ts',
    what: 'accepts a file that has another size than it said',
    find: '!== sizeBytes) return changed(name)',
    replace: '=== -1) return changed(name)',
    caughtBy: commands('is refused with its code'),
  },
  {
    file: 'sw/intake.ts',
    what: 'takes any name for an endpoint',
    find: 'if (!tools.adapterOf(command.endpoint))',
    replace: 'if (false)',
    caughtBy: commands('an endpoint that there is not is refused'),
  },
  // outbox
  {
    file: 'sw/outbox.ts',
    what: 'an older record overwrites a newer one',
    find: '<= record.revision)',
    replace: '<= Infinity)',
    caughtBy: unit('sw/outbox'),
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
    caughtBy: unit('sw/protocols/byte-offset'),
  },
  {
    file: 'sw/protocols/byte-offset.ts',
    what: 'trusts what it sent, not what the server says',
    find: 'if (number === undefined) return {};',
    replace: 'return {};',
    caughtBy: unit('sw/protocols/byte-offset'),
  },
  {
    file: 'sw/protocols/tus.ts',
    what: 'trusts what it sent, not Upload-Offset',
    find: 'grown(url, offsetOf(url, answer, upload), range)',
    replace: 'range[1]',
    caughtBy: unit('sw/protocols/tus'),
  },
  {
    file: 'sw/protocols/upload-resource.ts',
    what: 'takes the offset of another file',
    find: '(length ?? sizeBytes) === sizeBytes',
    replace: 'true',
    caughtBy: [...unit('sw/protocols/tus'), ...unit('sw/protocols/resumable-upload')],
  },
  {
    file: 'sw/protocols/resumable-upload.ts',
    what: 'tells every body to be the last',
    find: "'Upload-Complete': final ? '?1' : '?0'",
    replace: "'Upload-Complete': '?1'",
    caughtBy: unit('sw/protocols/resumable-upload'),
  },
  {
    file: 'sw/protocols/chunks.ts',
    what: 'a file without a name of its own is called by nothing',
    find: '?? crypto.randomUUID()',
    replace: "?? ''",
    caughtBy: unit('sw/protocols/chunks'),
  },
  {
    file: 'sw/protocols/chunk-questions.ts',
    what: 'believes in chunks that the file does not have',
    find: 'index < count)',
    replace: 'index < Infinity)',
    caughtBy: unit('sw/protocols/chunks'),
  },
  {
    file: 'sw/protocols/s3.ts',
    what: 'takes a 200 with an error in it for a yes',
    find: "|| answer.xml?.name !== 'CompleteMultipartUploadResult'",
    replace: '',
    caughtBy: unit('sw/protocols/s3'),
  },
  {
    file: 'sw/protocols/s3-request.ts',
    what: 'asks once, and uses the same signature for every retry',
    find: 'await signatureOf(sign, { upload, ...step }, io)',
    replace: 'await ((sign as any).once ??= signatureOf(sign, { upload, ...step }, io))',
    caughtBy: unit('sw/protocols/s3'),
  },
  // the wire and the page
  {
    file: 'sw/commands.ts',
    what: 'obeys a page of another wire version',
    find: 'envelope.wire !== WIRE_VERSION',
    replace: 'false',
    caughtBy: commands('of another wire version'),
  },
  {
    file: 'src/channel.ts',
    what: 'takes the reply of a worker of another wire version',
    find: 'opened?.wire !== WIRE_VERSION',
    replace: 'false',
    caughtBy: channel,
  },
  {
    file: 'src/channel.ts',
    what: 'takes the event of a worker of another wire version',
    find: 'opened.wire === WIRE_VERSION',
    replace: 'true',
    caughtBy: channel,
  },
  {
    file: 'src/channel.ts',
    what: 'asks once: a worker that was stopped in between never answers',
    find: 'attempt < TRIES',
    replace: 'attempt < 1',
    caughtBy: channel,
  },
  {
    file: 'src/registration.ts',
    what: 'talks to the worker that waits, not to the active one',
    find: 'if (registration.active !== null) return registration.active;',
    replace: 'if (registration.active !== null) return registration.waiting ?? registration.active;',
    caughtBy: unit('src/registration'),
  },
  {
    file: 'src/mirror.ts',
    what: 'an older word overwrites a newer one',
    find: '|| (before?.revision ?? 0) > snapshot.revision',
    replace: '',
    caughtBy: unit('src/mirror'),
  },
  {
    file: 'src/mirror.ts',
    what: 'a removed upload comes back by a late listing',
    find: 'this.#gone.has(snapshot.id) ||',
    replace: '',
    caughtBy: unit('src/mirror'),
  },
  // reference server
  {
    file: 'demo/server/upload-file.ts',
    what: 'acknowledges before fsync',
    find: 'await handle.datasync();',
    replace: '',
    caughtBy: durability('a power cut'),
  },
  {
    file: 'demo/server/receive-upload.ts',
    what: 'takes bytes for a wrong start',
    find: ': claim.startByte !== heldBytes)',
    replace: ': heldBytes < 0)',
    caughtBy: uploadServer('refuses a wrong start byte with the true number'),
  },
  {
    file: 'demo/server/turns.ts',
    what: 'two writers of one file at once',
    find: 'const ready = previous?.released ?? Promise.resolve();',
    replace: 'const ready = Promise.resolve();',
    caughtBy: uploadServer('cut and crossing requests'),
  },
  {
    file: 'demo/server/chunked-upload.ts',
    what: 'counts a chunk before its bytes are safe',
    find: 'if (!(await pump(file))) return;\n      await file.datasync();',
    replace: 'await pump(file);',
    caughtBy: chunkServer('whose bytes could not be synced'),
  },
  {
    file: 'demo/server/chunk-store.ts',
    what: 'believes the hash that the client says',
    find: 'claimed !== hash)',
    replace: 'false)',
    caughtBy: chunkServer('is computed, not believed'),
  },
  {
    file: 'sw/protocols/upload-resource.ts',
    what: 'sends file and token wherever a server or the database says',
    find: 'if ([endpoint, ...uploadOrigins].some(',
    replace: 'if (true || [endpoint, ...uploadOrigins].some(',
    caughtBy: unit('sw/protocols/tus'),
  },
  {
    file: 'demo/server/own-files.ts',
    what: 'writes through a link',
    find: 'O_CREAT | O_TRUNC | O_NOFOLLOW',
    replace: 'O_CREAT | O_TRUNC',
    caughtBy: unit('demo/server/links'),
  },
  {
    file: 'demo/server/upload-key.ts',
    what: "takes anybody's request for an upload whose URL is known",
    find: "return owner === '' ? name : keyOf(owner, name);",
    replace: 'return name;',
    caughtBy: unit('demo/server/owners'),
  },
  {
    file: 'sw/share-target.ts',
    what: 'takes a share from a page of another site',
    find: 'new URL(from).origin === action.origin',
    replace: 'true',
    caughtBy: shareTarget('is left to the network'),
  },
  {
    file: 'sw/share-target.ts',
    what: 'reads a share of any size into memory',
    find: 'if (leftBytes < 0) controller.error()',
    replace: 'if (false) controller.error()',
    caughtBy: shareTarget('larger than allowed'),
  },
  {
    file: 'sw/share-target.ts',
    what: 'lets a share pass for a file of the user',
    find: 'fingerprint: newId()',
    replace: "fingerprint: [file.name, file.size, clock.now() + index].join('-')",
    caughtBy: shareTarget('never takes the place'),
  },
  {
    file: 'sw/notify.ts',
    what: 'says that all is done while others wait',
    find: 'pending === 0 && ',
    replace: '',
    caughtBy: notify('while another waits'),
  },
  {
    file: 'sw/follow.ts',
    what: 'asks for the sign-in once for each upload',
    find: 'signIn: !asked && ',
    replace: 'signIn: ',
    caughtBy: notify('counts what it finds'),
  },
];
