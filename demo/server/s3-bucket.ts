// The way to one bucket through any of its gateways: clients, and which gateway answers now. Holds nothing that a
// second process of this kind would have to know.

import { S3Client } from '@aws-sdk/client-s3';

export interface S3BucketOptions {
  /** Gateways of one cluster, such as `https://s3.example`. The browser must reach them under the same names. */
  readonly endpoints: readonly string[];
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

export class S3Bucket {
  readonly name: string;
  readonly #clients: readonly { readonly endpoint: string; readonly client: S3Client }[];
  readonly #aliveAtMs = new Map<string, number>();
  #turn = 0;

  constructor(options: S3BucketOptions) {
    const { endpoints, bucket, accessKeyId, secretAccessKey, region = 'us-east-1', answerLimitMs = 5000 } = options;
    if (endpoints.length === 0) throw new Error('S3 needs one endpoint at least.');
    this.name = bucket;
    // A connection can die without a sign. Idle ones are gone before the second try, which then opens one anew.
    const agent = { keepAlive: true, timeout: answerLimitMs / 2 };
    this.#clients = endpoints.map((endpoint) => ({
      endpoint,
      client: new S3Client({
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
      }),
    }));
  }

  /** A client of a gateway that answers, in turn; undefined if none does. A single gateway is never asked. */
  async client(): Promise<S3Client | undefined> {
    const [only] = this.#clients;
    if (this.#clients.length === 1) return only?.client;
    this.#turn += 1;
    for (const index of this.#clients.keys()) {
      const next = this.#clients[(this.#turn + index) % this.#clients.length];
      if (next !== undefined && (await this.#isAlive(next.endpoint))) return next.client;
    }
    return undefined;
  }

  close(): void {
    for (const { client } of this.#clients) client.destroy();
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
