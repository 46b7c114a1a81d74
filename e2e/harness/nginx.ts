// Owns a real nginx in front of a server: Debian's package, one process, with what nginx does by itself (bodies of at
// most 1 MiB, buffered until they are whole) unless a test says otherwise. Only paths and ports are its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemPath, whyMissing } from './debian-install.js';
import { freePort } from './free-port.js';

export interface NginxOptions {
  readonly targetPort: number;
  /** What stands in the `server` block. Default: everything to `targetPort`, and nothing else. */
  readonly locations?: string | undefined;
}

/** One request, as nginx logged it at its end. */
export interface NginxRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** As announced. */
  readonly bodyBytes: number;
  /** It was asked of the server behind. */
  readonly passedOn: boolean;
}

export interface Nginx {
  readonly origin: string;
  requests(): Promise<readonly NginxRequest[]>;
  stop(): Promise<void>;
}

const SOFTWARE = { programs: ['nginx', 'setpriv'], packages: ['nginx'], variable: 'NGINX' };
/** A guess: it takes 20 ms. */
const START_LIMIT_MS = 15_000;

/** The one way to an nginx: started, or the reason why there is none here. One that fails to start is an error. */
export async function nginxOrReason(
  options: NginxOptions,
): Promise<{ readonly nginx: Nginx } | { readonly reason: string }> {
  const reason = await whyMissing(SOFTWARE);
  return reason === undefined ? { nginx: await startNginx(options) } : { reason };
}

async function startNginx({ targetPort, locations }: NginxOptions): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'));
  const port = await freePort();
  const everything = `location / { proxy_pass http://127.0.0.1:${targetPort}; }`;
  await writeFile(join(folder, 'nginx.conf'), configuration(folder, port, locations ?? everything));
  // In the foreground, so that its id is the child's; the kernel ends it when this process is gone.
  const args = ['--pdeathsig', 'KILL', 'nginx', '-p', folder, '-c', 'nginx.conf', '-e', 'stderr'];
  const env = { ...process.env, PATH: systemPath() };
  const child = spawn('setpriv', args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-2000);
  });
  const ended = once(child, 'close');
  const origin = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const endMs = Date.now() + START_LIMIT_MS;
  while (!(await answers(origin))) {
    if (child.exitCode === null && Date.now() < endMs) {
      await delay(20);
      continue;
    }
    await stop();
    throw new Error(`nginx did not start: ${said}`);
  }
  const requests = async () => {
    const lines = (await readFile(join(folder, 'access.log'), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as NginxRequest).filter(({ path }) => path !== HEALTH);
  };
  return { origin, requests, stop };
}

const HEALTH = '/nginx-is-up';

async function answers(origin: string): Promise<boolean> {
  return fetch(origin + HEALTH).then(
    ({ ok }) => ok,
    () => false,
  );
}

function configuration(folder: string, port: number, locations: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events {}
http {
  map $content_length $body_bytes { '' 0; default $content_length; }
  map $upstream_addr $passed_on { '' false; default true; }
  log_format told escape=json '{"method":"$request_method","path":"$request_uri","status":$status,"bodyBytes":$body_bytes,"passedOn":$passed_on}';
  access_log ${folder}/access.log told;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    location = ${HEALTH} { return 204; }
    ${locations}
  }
}
`;
}
