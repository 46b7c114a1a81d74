// Owns the wire between browser and server: its speed, its length, and everything that can happen to it.
// The browser's origin is the link's port, so that servers may come and go behind it.
import { createServer, type Server, type Socket } from 'node:net';
import { freePort } from './free-port.js';
import { type AnswerFault, type CannedAnswer, LinkConnection, type LinkRules } from './link-connection.js';
import { Pacer } from './pacer.js';
import type { LinkRequest } from './request-reader.js';

export type { CannedAnswer } from './link-connection.js';
export { carriesLastByte, type LinkRequest } from './request-reader.js';

export interface LinkOptions {
  readonly targetPort: number;
  /** Where it listens. Default `127.0.0.1`. */
  readonly host?: string;
  /** Default: a free one, kept until `close`. */
  readonly port?: number;
  /** Shared by all connections. Default: not limited. */
  readonly uplinkBitsPerSecond?: number;
  /** Round trip that the link adds to each new connection and each answer. Default 0. */
  readonly latencyMs?: number;
}

/** Which answer a fault is meant for. `path` is a prefix. */
export interface AnswerMatch {
  readonly method: string;
  readonly path: string;
  readonly when?: (request: LinkRequest) => boolean;
}

interface PlannedFault {
  readonly match: AnswerMatch;
  readonly fault: AnswerFault;
  readonly struck: (request: LinkRequest) => void;
}

/** Pieces of a shaped link: 6.5 ms at 20 Mbit/s, so that several connections share it evenly. */
const SHAPED_PIECE_BYTES = 16 * 1024;

export class Link {
  readonly port: number;
  readonly #host: string;
  readonly origin: string;
  /** Every request seen, in order of its head. */
  readonly requests: LinkRequest[] = [];
  uplinkBytes = 0;
  downlinkBytes = 0;
  acceptedConnections = 0;
  readonly #connections = new Set<LinkConnection>();
  readonly #planned: PlannedFault[] = [];
  readonly #rules: LinkRules;
  readonly #pacer: Pacer;
  #targetPort: number;
  #listener: Server | undefined;
  #blackout: { readonly over: Promise<void>; readonly heal: () => void } | undefined;
  #bytesToCut = Infinity;

  constructor(options: LinkOptions & { readonly port: number }) {
    this.port = options.port;
    this.#host = options.host ?? '127.0.0.1';
    this.origin = `http://${this.#host}:${options.port}`;
    this.#targetPort = options.targetPort;
    this.#pacer = new Pacer(options.uplinkBitsPerSecond);
    this.#rules = this.#makeRules(options.latencyMs ?? 0);
  }

  /** Connections that still carry bytes; those in a black hole do not. */
  get openConnections(): number {
    return [...this.#connections].filter(({ silent }) => !silent).length;
  }

  /** For new connections. */
  setTarget(port: number): void {
    this.#targetPort = port;
  }

  setUplink(bitsPerSecond: number | undefined): void {
    this.#pacer.setRate(bitsPerSecond);
  }

  /** RST on every open connection. Those in a black hole stay silent. */
  reset(): void {
    for (const connection of [...this.#connections]) if (!connection.silent) connection.reset();
  }

  /** Nobody listens any more: new connections are refused, existing ones reset. */
  async refuse(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    this.reset();
  }

  /** Listens (again). */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return;
    // A small high-water mark: what the link holds back should wait in the browser, not here.
    const options = { allowHalfOpen: true, noDelay: true, highWaterMark: SHAPED_PIECE_BYTES };
    const listener = createServer(options, (socket) => this.#connect(socket));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(this.port, this.#host, resolve);
    });
    this.#listener = listener;
  }

  /** Existing connections go silent for ever, without FIN or RST, in both directions. New ones work. */
  blackHole(): void {
    for (const connection of this.#connections) connection.silent = true;
  }

  /** Everything goes silent, new connections too, until `heal`; then it goes on where it stopped, as TCP does. */
  blackHoleAll(): void {
    if (this.#blackout !== undefined) return;
    let heal: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      heal = resolve;
    });
    this.#blackout = { over, heal };
  }

  heal(): void {
    this.#blackout?.heal();
    this.#blackout = undefined;
  }

  /** Ends every connection once `afterUplinkBytes` more bytes (heads and bodies) have gone up; the server gets them all. */
  cut(afterUplinkBytes: number): void {
    this.#bytesToCut = afterUplinkBytes;
  }

  /**
   * The next such request reaches the server in full, but its answer never reaches the browser: the connection is
   * reset instead. Resolves when it has happened. Chromium may send the same request again by itself.
   */
  dropNextAnswerTo(method: string, path: string, when?: (request: LinkRequest) => boolean): Promise<LinkRequest> {
    return this.#plan({ method, path, ...(when === undefined ? {} : { when }) }, { kind: 'drop' });
  }

  /** The server gets the request; the browser gets `answer`. Resolves when it has happened. */
  replaceNextAnswer(match: AnswerMatch, answer: CannedAnswer): Promise<LinkRequest> {
    return this.#plan(match, { kind: 'replace', answer });
  }

  /** The next answer to GET /api/status is 200 with this number. */
  rewriteNextStatus(offset: number, path = '/api/status'): Promise<LinkRequest> {
    const headers = { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' };
    return this.replaceNextAnswer({ method: 'GET', path }, { status: 200, headers, body: String(offset) });
  }

  /** The end of the link, black holes included. */
  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    for (const connection of [...this.#connections]) connection.destroy();
    if (listener !== undefined) await new Promise((resolve) => listener.close(resolve));
  }

  #plan(match: AnswerMatch, fault: AnswerFault): Promise<LinkRequest> {
    return new Promise((struck) => this.#planned.push({ match, fault, struck }));
  }

  #connect(socket: Socket): void {
    this.acceptedConnections += 1;
    this.#connections.add(new LinkConnection(socket, this.#targetPort, this.#rules));
  }

  #makeRules(latencyMs: number): LinkRules {
    const active = new Map<AnswerFault, PlannedFault>();
    const link = this;
    return {
      latencyMs,
      get pieceBytes() {
        return link.#pacer.unlimited ? Infinity : SHAPED_PIECE_BYTES;
      },
      pace: (bytes) => this.#pacer.take(bytes),
      passage: async (connection) => {
        while (this.#blackout !== undefined) await this.#blackout.over;
        if (connection.silent) await new Promise(() => undefined);
      },
      allowance: (bytes) => {
        const allowed = Math.min(bytes, this.#bytesToCut);
        this.#bytesToCut -= allowed;
        return allowed;
      },
      countUplink: (bytes) => {
        this.uplinkBytes += bytes;
        if (this.#bytesToCut > 0) return false;
        this.#bytesToCut = Infinity;
        for (const connection of [...this.#connections]) if (!connection.silent) connection.cut();
        return true;
      },
      countDownlink: (bytes) => {
        this.downlinkBytes += bytes;
      },
      begin: (request) => {
        this.requests.push(request);
        const index = this.#planned.findIndex(({ match }) => matches(match, request));
        const [planned] = index < 0 ? [] : this.#planned.splice(index, 1);
        if (planned === undefined) return undefined;
        active.set(planned.fault, planned);
        return planned.fault;
      },
      struck: (fault, request) => active.get(fault)?.struck(request),
      over: (connection) => this.#connections.delete(connection),
    };
  }
}

function matches({ method, path, when }: AnswerMatch, request: LinkRequest): boolean {
  return request.method === method && request.path.startsWith(path) && (when?.(request) ?? true);
}

/** Starts a link that listens. */
export async function startLink(options: LinkOptions): Promise<Link> {
  const link = new Link({ ...options, port: options.port ?? (await freePort()) });
  await link.accept();
  return link;
}
