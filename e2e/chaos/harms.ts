// Owns the harm: each kind leaves the world sound enough to go on in, sooner or later. Judges nothing.
import { setTimeout as delay } from 'node:timers/promises';
import type { Dice } from '../conformance/dice.js';
import type { Link } from '../harness/link.js';
import type { ReferenceServer } from '../harness/server.js';
import type { Tab } from './tab.js';

export interface World {
  readonly dice: Dice;
  readonly link: Link;
  readonly server: ReferenceServer;
  readonly tab: Tab;
}

const rates = [400_000, 2_000_000, 8_000_000, 20_000_000, 80_000_000, Infinity] as const;

export const harms = {
  'worker stopped': async ({ tab }: World) => tab.stopWorkers(),
  'tab reloaded': async ({ tab }: World) => tab.open(),
  'tab killed': async ({ tab }: World) => tab.replace(),
  'browser killed': async ({ tab }: World) => tab.killBrowser(),
  'server killed': async ({ server, dice }: World) => {
    await server.kill();
    await delay(dice.between(0, 3000));
    await server.start();
  },
  'server and worker killed': async ({ server, tab }: World) => {
    await Promise.all([server.kill(), tab.stopWorkers()]);
    await server.start();
  },
  'connections reset': async ({ link }: World) => link.reset(),
  'connections silent for ever': async ({ link }: World) => link.blackHole(),
  'network silent': async ({ link, dice }: World) => {
    link.blackHoleAll();
    await delay(dice.between(500, 4000));
    link.heal();
  },
  'connections refused': async ({ link, dice }: World) => {
    await link.refuse();
    await delay(dice.between(200, 3000));
    await link.accept();
  },
  'request cut': async ({ link, dice }: World) => link.cut(dice.between(1, 1_000_000)),
  'answer lost': async ({ link, dice }: World) => {
    // Not awaited: it strikes whenever the next such request comes.
    void link.dropNextAnswerTo(dice.pick(['POST', 'PATCH', 'PUT', 'GET', 'HEAD']), '/api/', ({ path }) =>
      isUpload(path),
    );
  },
  'link shaped': async ({ link, dice }: World) => {
    const rate = dice.pick(rates);
    link.setUplink(rate === Infinity ? undefined : rate);
  },
} as const satisfies Record<string, (world: World) => Promise<void>>;

export type Harm = keyof typeof harms;
export const harmNames = Object.keys(harms) as readonly Harm[];

function isUpload(path: string): boolean {
  return !path.startsWith('/api/photos');
}
