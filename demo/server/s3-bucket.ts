// The way to one bucket through any of its gateways: clients, and which gateway answers now. Holds nothing that a
// second process of this kind would have to know.

import { S3Client } from '@aws-sdk/client-s3';

export interface S3BucketOptions {
  /** Gateways of one cluster, such as `https://s3.example`. The browser must reach them under the same names. */
  readonly endpoints: readonly string[];
  /** The same gateways, in the same order, as this process reaches them. Default `endpoints`. */
  readonly nearEndpoints?: readonly string[];
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Default `us-east-1`, which servers that know no regions take. */
  readonly region?: string;
  /** A request of our own that is not answered after so many milliseconds is sent again. Default 5000, a guess. */
  readonly answerLimitMs?: number;
}

/** A gateway that answers nothing for so long is passed over. A guess. */
const aliveLimitMs = 1000;
/** How long an answer is believed. A guess: what is signed for a dead gateway meanwhile is tried again. */
const aliveForMs = 1000;

/** The host is part of a signature, so a gateway with two names needs a client for each. */
interface Gateway {
  /** Signs for others. */
  readonly client: S3Client;
  /** Asks by itself. */
  readonly near: S3Client;
  readonly nearEndpoint: string;
}

export class S3Bucket {
  readonly name: string;
  readonly #gateways: readonly Gateway[];
  readonly #aliveAtMs = new Map<string, number>();
  #turn = 0;

  constructor(options: S3BucketOptions) {
    const { endpoints, bucket, nearEndpoints = endpoints } = options;
    if (endpoints.length === 0) throw new Error('S3 needs one endpoint at least.');
    if (nearEndpoints.length !== endpoints.length) throw new Error('S3 needs as many near endpoints as endpoints.');
    this.name = bucket;
    this.#gateways = endpoints.map((endpoint, index) => {
      const nearEndpoint = nearEndpoints[index] ?? endpoint;
      const client = clientOf(endpoint, options);
      return { client, near: nearEndpoint === endpoint ? client : clientOf(nearEndpoint, options), nearEndpoint };
    });
  }

  /** A gateway that answers, in turn; undefined if none does. A single one is never asked. */
  async gateway(): Promise<Pick<Gateway, 'client' | 'near'> | undefined> {
    const [only] = this.#gateways;
    if (this.#gateways.length === 1) return only;
    this.#turn += 1;
    for (const index of this.#gateways.keys()) {
      const next = this.#gateways[(this.#turn + index) % this.#gateways.length];
      if (next !== undefined && (await this.#isAlive(next.nearEndpoint))) return next;
    }
    return undefined;
  }

  close(): void {
    for (const { client, near } of this.#gateways) for (const each of [client, near]) each.destroy();
  }

  async #isAlive(endpoint: string): Promise<boolean> {
    if (Date.now() - (this.#aliveAtMs.get(endpoint) ?? 0) < aliveForMs) return true;
    try {
      // Any answer will do; without a signature it is a refusal.
      const response = await fetch(endpoint, { signal: AbortSignal.timeout(aliveLimitMs) });
      await response.body?.cancel();
      this.#aliveAtMs.set(endpoint, Date.now());
      return true;
    } catch {
      return false;
    }
  }
}

function clientOf(endpoint: string, options: S3BucketOptions): S3Client {
  const { accessKeyId, secretAccessKey, region = 'us-east-1', answerLimitMs = 5000 } = options;
  // A connection can die without a sign. Idle ones are gone before the second try, which then opens one anew.
  const agent = { keepAlive: true, timeout: answerLimitMs / 2 };
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    // The SDK would else sign a checksum of an empty body into every URL.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      requestTimeout: answerLimitMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
