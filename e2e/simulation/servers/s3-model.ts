// A strict bucket for the simulator, with the backend that signs for it: multipart uploads as S3 describes them, parts listed
// two at a time, signatures that expire. What it has acknowledged it never loses. A model: the adapter's own tests hold the
// adapter against Ceph. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html

import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyReader } from '../../../demo/server/body-reader.js';
import type { S3Operation } from '../../../sw/protocols/s3-request.js';
import { parseXml } from '../../../sw/protocols/s3-xml.js';

const IDLE_MS = 60_000;
const SIGNED_MS = 600_000;
const SMALLEST_PART = 5_242_880;
const PAGE_PARTS = 2;

interface Multipart {
  readonly key: string;
  readonly parts: Map<number, { readonly bytes: Uint8Array; readonly etag: string }>;
}

/** What outlives a process. */
export class Bucket {
  readonly objects = new Map<string, Uint8Array>();
  readonly uploads = new Map<string, Multipart>();
  readonly names = new Map<string, string>();
  ids = 0;
}

type Answer = readonly [status: number, body: string, headers?: Readonly<Record<string, string>>];

const xml = (name: string, inside: string) => `<?xml version="1.0"?><${name}>${inside}</${name}>`;
const error = (status: number, code: string): Answer => [status, xml('Error', `<Code>${code}</Code>`)];

export function createS3Model(origin: string, bucket: Bucket) {
  function sign(operation: S3Operation): Answer {
    const { upload, ...step } = operation;
    bucket.names.set(upload.id, upload.name);
    const signed = { ...step, key: upload.id, untilMs: Date.now() + SIGNED_MS };
    return [
      200,
      JSON.stringify({ url: `${origin}/bucket/${upload.id}?${encodeURIComponent(JSON.stringify(signed))}` }),
    ];
  }

  async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
    const body = new BodyReader(request);
    const pieces: Uint8Array[] = [];
    for (;;) {
      const step = await body.next(IDLE_MS);
      if (step.type === 'bytes') pieces.push(step.bytes);
      else return step.type === 'end' ? new Uint8Array(Buffer.concat(pieces)) : undefined;
    }
  }

  function list({ parts }: Multipart, marker: number): Answer {
    const after = [...parts].filter(([number]) => number > marker).sort(([a], [b]) => a - b);
    const page = after.slice(0, PAGE_PARTS);
    const lines = page.map(
      ([number, { bytes, etag }]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag><Size>${bytes.length}</Size></Part>`,
    );
    const more = after.length > page.length;
    const next = `<IsTruncated>${more}</IsTruncated><NextPartNumberMarker>${page.at(-1)?.[0] ?? 0}</NextPartNumberMarker>`;
    return [200, xml('ListPartsResult', lines.join('') + next)];
  }

  function complete(uploadId: string, { key, parts }: Multipart, body: Uint8Array): Answer {
    const asked = parseXml(Buffer.from(body).toString())?.children ?? [];
    const chosen = asked.map((element) => {
      const field = (name: string) => element.children.find((child) => child.name === name)?.text ?? '';
      const part = parts.get(Number(field('PartNumber')));
      return part && part.etag === field('ETag') ? { number: Number(field('PartNumber')), ...part } : undefined;
    });
    const found = chosen.filter((part) => part !== undefined);
    if (found.length === 0 || found.length < chosen.length) return error(400, 'InvalidPart');
    if (found.some(({ number }, at) => at > 0 && number <= (found[at - 1]?.number ?? 0))) {
      return error(400, 'InvalidPartOrder');
    }
    if (found.slice(0, -1).some(({ bytes }) => bytes.length < SMALLEST_PART)) return error(400, 'EntityTooSmall');
    bucket.objects.set(key, new Uint8Array(Buffer.concat(found.map(({ bytes }) => bytes))));
    bucket.uploads.delete(uploadId);
    return [200, xml('CompleteMultipartUploadResult', `<Key>${key}</Key>`)];
  }

  async function answer(request: IncomingMessage): Promise<Answer | undefined> {
    const { pathname, search } = new URL(request.url ?? '', origin);
    const said = JSON.parse(decodeURIComponent(search.slice(1)));
    if (pathname === '/sign') return sign(said as S3Operation);
    const { key, untilMs, type, uploadId, partNumber, sizeBytes, marker = 0 } = said;
    if (untilMs < Date.now()) return error(403, 'AccessDenied');
    const body = await bodyOf(request);
    if (body === undefined) return undefined;
    const upload = bucket.uploads.get(uploadId);
    const object = bucket.objects.get(key);
    if (['part', 'list', 'complete'].includes(type) && upload?.key !== key) return error(404, 'NoSuchUpload');
    switch (type) {
      case 'put':
        bucket.objects.set(key, body);
        return [200, ''];
      case 'head':
        return object ? [200, '', { 'content-length': String(object.length) }] : [404, ''];
      case 'create': {
        bucket.ids += 1;
        bucket.uploads.set(`upload-${bucket.ids}`, { key, parts: new Map() });
        return [200, xml('InitiateMultipartUploadResult', `<UploadId>upload-${bucket.ids}</UploadId>`)];
      }
      case 'part':
        if (body.length !== sizeBytes) return error(403, 'SignatureDoesNotMatch');
        bucket.ids += 1;
        upload?.parts.set(partNumber, { bytes: body, etag: `etag-${bucket.ids}` });
        return [200, ''];
      case 'list':
        return upload && list(upload, marker);
      case 'complete':
        return upload && complete(uploadId, upload, body);
      case 'abort':
        if (uploadId === undefined) bucket.objects.delete(key);
        else if (!bucket.uploads.delete(uploadId)) return error(404, 'NoSuchUpload');
        return [204, ''];
      default:
        return error(400, 'InvalidRequest');
    }
  }

  return {
    handle(request: IncomingMessage, response: ServerResponse): boolean {
      void answer(request).then((given) => {
        if (given === undefined) return void response.destroy();
        response.writeHead(given[0], { ...given[2] }).end(given[1]);
      });
      return true;
    },
  };
}
