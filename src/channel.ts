// The page's end of the wire: sends a command and waits for its reply, hears events. Knows no upload.
// A worker can be stopped before it replies, so every command has a time limit and is sent again; all are repeatable.

import { fromWire, isWireError, UploadError } from './contracts/errors.js';
import {
  type Command,
  envelope,
  openEnvelope,
  type Reply,
  type ReplyOf,
  type UploadEvent,
  WIRE_VERSION,
} from './contracts/messages.js';
import { activeWorker, type Host } from './registration.js';

/** A worker at work says so every 2 s; a browser on a busy phone may need some to start one. */
const SILENCE_MS = 10_000;
const TRIES = 3;

export class Channel {
  readonly #registration: Host;
  readonly #events: BroadcastChannel;

  /** `onStranger`: an event of another wire version came. */
  constructor(
    registration: Host,
    name: string,
    onEvent: (event: UploadEvent) => void,
    onStranger: (error: UploadError) => void,
  ) {
    this.#registration = registration;
    this.#events = new BroadcastChannel(name);
    this.#events.addEventListener('message', ({ data }) => {
      const opened = openEnvelope(data);
      if (opened === undefined) return;
      if (opened.wire === WIRE_VERSION) onEvent(opened.body as UploadEvent);
      else onStranger(mismatch(opened.wire));
    });
  }

  /** The reply's value. Throws what the worker refused with, `worker-unresponsive` or `version-mismatch`. */
  async send<Type extends Command['type']>(command: Extract<Command, { type: Type }>): Promise<ReplyOf[Type]> {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const reply = await this.#ask<Type>(command);
      if (reply !== undefined) return reply;
    }
    throw new UploadError(
      'worker-unresponsive',
      `The service worker ${this.#registration.active?.scriptURL ?? ''} does not answer. Check that it calls installBackhaul() while its script runs.`,
    );
  }

  close(): void {
    this.#events.close();
  }

  async #ask<Type extends Command['type']>(command: Command): Promise<ReplyOf[Type] | undefined> {
    const worker = await activeWorker(this.#registration);
    const { port1, port2 } = new MessageChannel();
    try {
      return await new Promise((resolve, reject) => {
        let timer = setTimeout(resolve, SILENCE_MS, undefined);
        port1.onmessage = ({ data }) => {
          clearTimeout(timer);
          const opened = openEnvelope(data);
          const reply = opened?.body as Partial<Reply<Type>> | undefined;
          if (reply?.type === 'busy') timer = setTimeout(resolve, SILENCE_MS, undefined);
          // Refusals have one shape in all versions.
          else if (reply?.type === 'refused' && isWireError(reply.error)) reject(fromWire(reply.error));
          else if (opened?.wire !== WIRE_VERSION) reject(mismatch(opened?.wire));
          else if (reply?.type === 'done') resolve(reply.value);
        };
        worker.postMessage(envelope(command), [port2]);
      });
    } finally {
      port1.close();
    }
  }
}

function mismatch(wire: number | undefined): UploadError {
  return new UploadError(
    'version-mismatch',
    `The service worker speaks version ${wire} of Backhaul's messages, this page version ${WIRE_VERSION}. Reload the page.`,
  );
}
