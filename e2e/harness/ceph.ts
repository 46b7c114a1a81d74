// Owns a Ceph cluster of this machine alone: a monitor, storage daemons in memory, S3 gateways, all on free ports of
// loopback. Every daemon is a child that dies with this process, however it ends.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateBucketCommand, PutBucketCorsCommand, S3Client } from '@aws-sdk/client-s3';
import { whyMissing } from './debian-install.js';
import { freePort } from './free-port.js';

export interface CephOptions {
  /** Storage daemons. Default 1; with more, every object is on two of them. */
  readonly osds?: number;
  /** S3 gateways, all of them with the same buckets. Default 1. */
  readonly gateways?: number;
}

export interface Ceph {
  /** `http://127.0.0.1:port` of each gateway, whether it lives or not. */
  readonly gateways: readonly string[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** A client of one gateway, as the owner of every bucket. */
  client(gateway?: number): S3Client;
  /** Makes a bucket that pages of `origins` may use (by their presigned URLs) and returns its name. */
  bucket(origins?: readonly string[]): Promise<string>;
  /** SIGKILL; resolves once it is gone. */
  kill(kind: 'gateway' | 'osd', index: number): Promise<void>;
  /** A gateway that was killed, again on its port; resolves once it answers. */
  revive(kind: 'gateway', index: number): Promise<void>;
  stop(): Promise<void>;
}

export type CephOrReason = { readonly ceph: Ceph } | { readonly reason: string };

const SOFTWARE = {
  programs: ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'setpriv'],
  // The manager is never started, but the monitor's package asks for it.
  packages: ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-mgr'],
  variable: 'CEPH',
};
const HOST = '127.0.0.1';
/** The start takes about 15 s on two idle cores, minutes on busy ones. */
const START_LIMIT_MS = 240_000;
const REGION = 'us-east-1';

/** The one way to a cluster: started, or the reason why there is none here. A cluster that fails to start is an error. */
export async function cephOrReason(options: CephOptions = {}): Promise<CephOrReason> {
  const reason = await whyMissing(SOFTWARE);
  return reason === undefined ? { ceph: await startCeph(options) } : { reason };
}

async function startCeph({ osds = 1, gateways = 1 }: CephOptions): Promise<Ceph> {
  const cluster = await Cluster.create(osds);
  try {
    await cluster.startMonitor();
    await cluster.startOsds(osds);
    for (let index = 0; index < gateways; index += 1) await cluster.startGateway(index);
    await cluster.makeUser();
    return cluster;
  } catch (cause) {
    const logs = await cluster.logs();
    await cluster.stop();
    throw new Error(`Ceph did not start: ${cause instanceof Error ? cause.message : cause}\n${logs}`, { cause });
  }
}

class Cluster implements Ceph {
  readonly gateways: string[] = [];
  readonly accessKeyId = 'BACKHAULTEST';
  readonly secretAccessKey = randomUUID();
  readonly #folder: string;
  readonly #fsid = randomUUID();
  readonly #monitor: string;
  readonly #daemons = new Map<string, ChildProcess>();
  readonly #clients: S3Client[] = [];
  #buckets = 0;

  private constructor(folder: string, monitor: string) {
    this.#folder = folder;
    this.#monitor = monitor;
  }

  static async create(osds: number): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'ceph-'));
    const monitor = `[v2:${HOST}:${await freePort()},v1:${HOST}:${await freePort()}]`;
    const cluster = new Cluster(folder, monitor);
    await Promise.all(['run', 'log', 'mon'].map((name) => mkdir(join(folder, name))));
    await writeFile(cluster.#path('ceph.conf'), configuration(folder, cluster.#fsid, monitor, Math.min(2, osds)));
    return cluster;
  }

  async startMonitor(): Promise<void> {
    const keyring = this.#path('keyring');
    const key = (name: string, ...caps: readonly string[]) =>
      this.#run(
        'ceph-authtool',
        keyring,
        '--gen-key',
        '-n',
        name,
        ...caps.flatMap((cap) => ['--cap', ...cap.split(':')]),
      );
    await this.#run('ceph-authtool', '--create-keyring', keyring);
    await key('mon.', 'mon:allow *');
    await key('client.admin', 'mon:allow *', 'osd:allow *', 'mgr:allow *');
    await key('client.rgw', 'mon:allow rw', 'osd:allow rwx');
    const monmap = this.#path('monmap');
    await this.#run('monmaptool', '--create', '--addv', 'a', this.#monitor, '--fsid', this.#fsid, monmap);
    await this.#run('ceph-mon', ...this.#conf(), '--mkfs', '-i', 'a', '--monmap', monmap, '--keyring', keyring);
    await this.#daemon('mon', 'ceph-mon', '-i', 'a', '--public-addr', HOST);
    await this.#ceph('--connect-timeout', '60', 'status');
  }

  async startOsds(count: number): Promise<void> {
    // One after the other: their numbers are given in the order of asking.
    for (let index = 0; index < count; index += 1) {
      const uuid = randomUUID();
      const id = (await this.#ceph('osd', 'new', uuid)).trim();
      await mkdir(this.#path(`osd${id}`));
      const caps = ['mon', 'allow profile osd', 'osd', 'allow *'];
      await appendFile(this.#path('keyring'), await this.#ceph('auth', 'get-or-create', `osd.${id}`, ...caps));
      await this.#run('ceph-osd', ...this.#conf(), '-i', id, '--mkfs', '--osd-uuid', uuid);
      await this.#daemon(`osd${id}`, 'ceph-osd', '-i', id);
    }
    await this.#until('storage daemons', async () => (await this.#ceph('osd', 'stat')).includes(`${count} up`));
  }

  async startGateway(index: number): Promise<void> {
    const origin = this.gateways[index] ?? `http://${HOST}:${await freePort()}`;
    this.gateways[index] = origin;
    const frontend = `beast endpoint=${new URL(origin).host}`;
    await this.#daemon(`gateway${index}`, 'radosgw', '-n', 'client.rgw', '--rgw-frontends', frontend);
    await this.#until(`gateway ${index}`, () =>
      fetch(origin).then(
        () => true,
        () => false,
      ),
    );
  }

  async makeUser(): Promise<void> {
    const keys = [`--access-key=${this.accessKeyId}`, `--secret-key=${this.secretAccessKey}`];
    await this.#run('radosgw-admin', ...this.#conf(), 'user', 'create', '--uid=owner', '--display-name=owner', ...keys);
  }

  client(gateway = 0): S3Client {
    const { accessKeyId, secretAccessKey } = this;
    const client = new S3Client({
      endpoint: this.gateways[gateway] ?? '',
      region: REGION,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
      // Debian's Ceph knows none of the newer checksums.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    this.#clients.push(client);
    return client;
  }

  async bucket(origins: readonly string[] = ['*']): Promise<string> {
    this.#buckets += 1;
    const Bucket = `bucket-${this.#buckets}`;
    const client = this.client();
    await client.send(new CreateBucketCommand({ Bucket }));
    const rule = {
      AllowedOrigins: [...origins],
      AllowedMethods: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
      AllowedHeaders: ['*'],
      MaxAgeSeconds: 7200,
    };
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [rule] } }));
    return Bucket;
  }

  async kill(kind: 'gateway' | 'osd', index: number): Promise<void> {
    await this.#end(`${kind}${index}`);
  }

  async revive(kind: 'gateway', index: number): Promise<void> {
    if (!this.#daemons.has(`${kind}${index}`)) await this.startGateway(index);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await Promise.all([...this.#daemons.keys()].map((name) => this.#end(name)));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The end of each daemon's output, for the message of a start that failed. */
  async logs(): Promise<string> {
    const last = async (name: string) => {
      const text = await readFile(this.#path(`log/${name}.out`), 'utf8').catch(() => '');
      return `${name}: ${text.trim().split('\n').slice(-5).join('\n')}`;
    };
    return (await Promise.all([...this.#daemons.keys()].map(last))).join('\n');
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #conf(): readonly [string, string] {
    return ['-c', this.#path('ceph.conf')];
  }

  #ceph(...args: readonly string[]): Promise<string> {
    return this.#run('ceph', ...this.#conf(), ...args);
  }

  async #run(program: string, ...args: readonly string[]): Promise<string> {
    return (await promisify(execFile)(program, args, { timeout: START_LIMIT_MS })).stdout;
  }

  /** In the foreground (`-f`), so that its id is the child's; the kernel ends it when this process is gone. */
  async #daemon(name: string, program: string, ...args: readonly string[]): Promise<void> {
    const output = await open(this.#path(`log/${name}.out`), 'a');
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, '-f', ...this.#conf(), ...args], {
      stdio: ['ignore', output.fd, output.fd],
    });
    this.#daemons.set(name, child);
    await once(child, 'spawn');
    await output.close();
  }

  async #end(name: string): Promise<void> {
    const child = this.#daemons.get(name);
    if (child === undefined) return;
    const ended = child.exitCode !== null || child.signalCode !== null ? undefined : once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    this.#daemons.delete(name);
  }

  async #until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const endMs = Date.now() + START_LIMIT_MS;
    while (!(await condition())) {
      const dead = [...this.#daemons].find(([, { exitCode, signalCode }]) => exitCode !== null || signalCode !== null);
      if (dead !== undefined) throw new Error(`${dead[0]} ended while waiting for ${what}`);
      if (Date.now() > endMs) throw new Error(`${what}: not within ${START_LIMIT_MS} ms`);
      await delay(100);
    }
  }
}

/**
 * cephx stays on: radosgw refuses `auth none`. `size`: copies of each object; one of them is enough to go on. `gc`: what
 * is deleted is kept for two hours by default, and the memory of the storage daemons is then full after some dozen runs.
 */
function configuration(folder: string, fsid: string, monitor: string, size: number): string {
  return `[global]
fsid = ${fsid}
mon initial members = a
mon host = ${monitor}
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = true
keyring = ${folder}/keyring
osd pool default size = ${size}
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon osd down out interval = 600
mon data avail crit = 1
osd objectstore = memstore
memstore device bytes = 1073741824
osd memory target = 939524096
ms bind ipv6 = false
run dir = ${folder}/run
admin socket = ${folder}/run/$name.$pid.asok
log file = ${folder}/log/$name.log
mon data = ${folder}/mon/a
osd data = ${folder}/osd$id
rgw dns name =
rgw enable usage log = false
rgw thread pool size = 32
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
`;
}
