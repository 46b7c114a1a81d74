// The demo as a process: reads the environment, starts, stops on a signal. Every variable has a default.

import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Protocol, protocols } from './backends.js';
import { startDemoServer } from './demo-server.js';
import { uploadServerDefaults } from './upload-options.js';

const here = dirname(fileURLToPath(import.meta.url));
const environment = {
  PORT: '4321',
  HOST: '127.0.0.1',
  DATA_DIR: './data',
  APP_DIR: join(here, 'app'),
  /** One of backends.ts; s3 needs the S3_ variables. */
  PROTOCOL: 'byte-offset',
  /** Gateways of one cluster, separated by commas. */
  S3_ENDPOINTS: '',
  /** The same ones as this server reaches them, if that differs. */
  S3_NEAR_ENDPOINTS: '',
  S3_BUCKET: '',
  S3_ACCESS_KEY_ID: '',
  S3_SECRET_ACCESS_KEY: '',
  S3_REGION: 'us-east-1',
  /** Separated by commas. */
  ALLOWED_ORIGINS: '',
  MAX_FILE_BYTES: String(uploadServerDefaults.maxFileBytes),
  /** `json`: one line for each record of request-records.ts. */
  LOG: '',
  ...process.env,
};

try {
  const port = numberIn('PORT', 65_535);
  const server = await startDemoServer({
    host: environment.HOST,
    protocol: protocolIn(environment.PROTOCOL),
    s3: environment.S3_ENDPOINTS === '' ? undefined : bucketIn(environment),
    port,
    appDir: resolve(environment.APP_DIR),
    dataDir: resolve(environment.DATA_DIR),
    allowedOrigins: originsIn(environment.ALLOWED_ORIGINS),
    maxFileBytes: numberIn('MAX_FILE_BYTES', Number.MAX_SAFE_INTEGER),
    ...(environment.LOG === 'json' && { onRequest: (record) => console.log(JSON.stringify(record)) }),
  });
  const isLocal = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(environment.HOST);
  console.log(`Backhaul demo: http://${isLocal ? 'localhost' : environment.HOST}:${server.port}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // A second signal ends the process at once; the bytes survive that too.
    process.once(signal, () => void server.close().then(() => process.exit(0)));
  }
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

function numberIn(name: 'PORT' | 'MAX_FILE_BYTES', max: number): number {
  const number = Number(environment[name]);
  if (Number.isInteger(number) && number >= 0 && number <= max && environment[name] !== '') return number;
  throw new Error(`${name} must be a whole number from 0 to ${max}; it is "${environment[name]}".`);
}

function protocolIn(name: string): Protocol {
  const known = protocols.find((protocol) => protocol === name);
  if (known !== undefined) return known;
  throw new Error(`PROTOCOL must be one of ${protocols.join(', ')}; it is "${name}".`);
}

function bucketIn(given: typeof environment) {
  const nearEndpoints = originsIn(given.S3_NEAR_ENDPOINTS, 'S3_NEAR_ENDPOINTS');
  return {
    ...(nearEndpoints.length > 0 && { nearEndpoints }),
    endpoints: originsIn(given.S3_ENDPOINTS, 'S3_ENDPOINTS'),
    bucket: given.S3_BUCKET,
    accessKeyId: given.S3_ACCESS_KEY_ID,
    secretAccessKey: given.S3_SECRET_ACCESS_KEY,
    region: given.S3_REGION,
  };
}

function originsIn(text: string, variable = 'ALLOWED_ORIGINS'): string[] {
  const given = text.split(',').map((origin) => origin.trim());
  return given.filter(Boolean).map((origin) => {
    if (URL.canParse(origin) && new URL(origin).origin !== 'null') return new URL(origin).origin;
    throw new Error(`${variable} must list origins such as https://app.example; "${origin}" is none.`);
  });
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return `Port ${environment.PORT} is in use. Set PORT to another one, or to 0 for any.`;
  if (code === 'EACCES') return `No permission: ${message}. Check DATA_DIR and PORT.`;
  return `The demo could not start: ${message}`;
}
