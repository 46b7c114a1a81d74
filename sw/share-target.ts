// Web Share Target: what a phone's share sheet posts to the app is accepted like the files of a page, through the same
// command, and the app is opened with what became of it. Works offline, since no request leaves the worker.
// Names are those of the manifest's `share_target`: `action`, and the `name` of `params.files`.

import { type ErrorCode, toWire, UploadError } from '../src/contracts/errors.js';
import { type EnqueueItem, type EnqueueOutcome, envelope, type ReplyOf } from '../src/contracts/messages.js';
import { type CommandTools, execute, NAME_CHARACTERS, parseCommand } from './commands.js';
import { type InstalledBackhaul, opened } from './install.js';

declare const self: ServiceWorkerGlobalScope;

export interface ShareTargetOptions {
  /** `action` of the manifest's `share_target`, with its query if it has one. */
  readonly action: string;
  /** The `name` of its `params.files`. */
  readonly files: string;
  /** A name from `installBackhaul({ endpoints })`; a function, where it depends on who is signed in. */
  readonly endpoint: string | (() => string | Promise<string>);
  /**
   * Where the app opens then, by a 303. Its query gets `shared` (how many were accepted), and if some were not, `refused`
   * (how many) and `code` (why the first was: one of the README's table of errors). Nothing of the post's own gets there.
   */
  readonly redirect: string;
  /** Fields that become metadata under their own names, cut to about 1000 characters. Default `title`, `text`, `url`. */
  readonly texts?: readonly string[];
  /**
   * The largest post, in bytes; a larger one is refused as a whole (`quota-exceeded`). Default 500 MB: browsers keep what
   * they parse in memory (Chromium 156: 1 GB more for a post of 1 GB).
   */
  readonly maxBytes?: number;
}

const MAX_BYTES = 500_000_000;
/** As many as a page sends at once; above it the rest is refused (`quota-exceeded`). */
const MOST_FILES = 500;
/** As JSON, so that three of them fit into what metadata may take. */
const TEXT_CHARACTERS = 1000;

/**
 * Takes in what is shared with the app. Call it once, while the worker's script runs, before the app's own listeners for
 * `fetch`: what it answers is hidden from those. Accepted uploads carry `shared: 'true'` in their metadata.
 */
export function shareTarget(backhaul: InstalledBackhaul, options: ShareTargetOptions): void {
  const engine = opened(backhaul);
  const base = self.location.href;
  const action = new URL(options.action, base);
  self.addEventListener('fetch', (event) => {
    if (!isShare(event.request, action)) return;
    event.stopImmediatePropagation();
    const said = takeIn(event.request, options, engine);
    event.respondWith(
      said.then((words) => {
        const target = new URL(options.redirect, base);
        for (const [name, value] of Object.entries(words)) target.searchParams.set(name, value);
        // The method becomes GET: a reload of the app posts nothing again.
        return Response.redirect(target, 303);
      }),
    );
    event.waitUntil(engine.held(said.then(() => engine.scheduler.idle())));
  });
}

/**
 * Whether this may come from the share sheet. Chromium shows a worker no Sec-Fetch-Site, and its share has the origin of
 * nobody (`null`) or, in newer versions, of the app; so has a form of another site that hides its referrer. Such a form
 * cannot be told from a share: it is bounded, and moves the whole window to the app, where the user sees it. What names
 * another origin, or loads into a frame, is none, and goes to the network as if there were no worker.
 */
export function isShare(
  {
    method,
    mode,
    destination,
    url,
    referrer,
    headers,
  }: Pick<Request, 'method' | 'mode' | 'destination' | 'url' | 'referrer' | 'headers'>,
  action: URL,
): boolean {
  return (
    method === 'POST' &&
    mode === 'navigate' &&
    destination === 'document' &&
    url === action.href &&
    // A referrer of Android's is `android-app://...`: that is no page.
    [headers.get('origin') ?? '', referrer].every(
      (from) => !/^https?:/.test(from) || new URL(from).origin === action.origin,
    )
  );
}

/** Accepts what was posted; answers with what the app is told. Never rejects: a share sheet shows no errors. */
export async function takeIn(
  request: Pick<Request, 'body' | 'headers'>,
  { files, endpoint, texts = ['title', 'text', 'url'], maxBytes = MAX_BYTES }: ShareTargetOptions,
  tools: CommandTools,
): Promise<Readonly<Record<string, string>>> {
  let code: ErrorCode | undefined;
  let given = 0;
  let outcomes: readonly EnqueueOutcome[] = [];
  try {
    const form = await formOf(request, maxBytes);
    // A form without a chosen file posts an empty one without a name.
    const shared = form.getAll(files).filter((file) => file instanceof File && (file.name !== '' || file.size > 0));
    given = shared.length;
    const metadata: Record<string, string> = {};
    for (const name of texts) {
      const text = form.get(name);
      if (typeof text === 'string' && text !== '') metadata[name] = clip(text);
    }
    metadata['shared'] = 'true';
    const command = parseCommand(
      envelope({
        type: 'enqueue',
        endpoint: typeof endpoint === 'string' ? endpoint : await endpoint(),
        metadata,
        priority: 'normal',
        items: shared.slice(0, MOST_FILES).map((file, index) => itemOf(file as File, index, tools)),
      }),
    );
    if (command && given > 0) ({ outcomes } = (await execute(command, tools)) as ReplyOf['enqueue']);
    if (given > MOST_FILES) code = 'quota-exceeded';
  } catch (cause) {
    ({ code } = toWire(cause));
  }
  const accepted = outcomes.filter(({ type }) => type === 'accepted').length;
  for (const outcome of outcomes) if (outcome.type === 'rejected') code ??= outcome.error.code;
  return {
    shared: String(accepted),
    ...(given > accepted && { refused: String(given - accepted) }),
    ...(code && { code }),
  };
}

/** Counted while it is read, since `formData()` has no limit of its own. */
async function formOf({ body, headers }: Pick<Request, 'body' | 'headers'>, maxBytes: number): Promise<FormData> {
  let leftBytes = maxBytes;
  const counted = body?.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        leftBytes -= chunk.byteLength;
        if (leftBytes < 0) controller.error();
        else controller.enqueue(chunk);
      },
    }),
  );
  const type = headers.get('content-type') ?? '';
  try {
    return await new Response(counted, { headers: { 'content-type': type } }).formData();
  } catch (cause) {
    throw new UploadError(leftBytes < 0 ? 'quota-exceeded' : 'invalid-message', 'The share cannot be read.', { cause });
  }
}

/**
 * A form says no time of change, so that the time of sharing stands for it; one for each, since many servers know a file
 * by name, size and time. The fingerprint is new: nothing that is posted can take the place of a file of the user's.
 */
function itemOf(file: File, index: number, { newId, clock }: CommandTools): EnqueueItem {
  return {
    file,
    name: file.name.slice(0, NAME_CHARACTERS),
    type: file.type.slice(0, NAME_CHARACTERS),
    sizeBytes: file.size,
    lastModifiedMs: clock.now() + index,
    fingerprint: newId(),
  };
}

function clip(text: string): string {
  let clipped = text.slice(0, TEXT_CHARACTERS);
  // Control characters take six characters each as JSON.
  while (JSON.stringify(clipped).length > TEXT_CHARACTERS + 2) clipped = clipped.slice(0, clipped.length / 2);
  return clipped;
}
