// The demo's signer as a process that can be killed. What it is to sign for comes as JSON in its one argument; it prints
// its port, and each operation that it has signed.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Bucket, type S3BucketOptions } from '../../demo/server/s3-bucket.js';
import { createS3Signer } from '../../demo/server/s3-signer.js';

const options: S3BucketOptions = JSON.parse(process.argv[2] ?? '');
const sign = createS3Signer({
  bucket: new S3Bucket(options),
  onSigned: ({ type, partNumber = 0 }) => console.log(JSON.stringify({ signed: type, partNumber })),
});
const server = createServer((request, response) => {
  if (!sign(request, response)) response.writeHead(404).end();
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })));
