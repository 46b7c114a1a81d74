// Every fault that the simulator has found, with the shortest plan that showed it. Each was red before it was mended.

import type { Plan } from './plan.js';

export interface Regression {
  readonly name: string;
  readonly plan: Plan;
}

export const regressions: readonly Regression[] = [
  {
    name: 'the IETF server remembers over a power cut that an upload was complete',
    plan: {
      seed: 21,
      protocol: 'ietf-15',
      sizes: [70_000, 224_218, 210_000, 210_892],
      pieceBytes: 70_000,
      concurrency: 3,
      link: { latencyMs: 20, jitterMs: 200, bytesPerMs: 2000 },
      chaosMs: 5000,
      faults: [
        { kind: 'crash-server', on: 'server', at: 61, forMs: 35, powerCut: true },
        { kind: 'pause', on: 'ms', at: 84, file: 1 },
      ],
    },
  },
];
