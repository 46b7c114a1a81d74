// The suite can fail: adapters with one mistake each, and the cell that must notice it.

import { expect, test } from 'vitest';
import { type Adapter, ProtocolFailure } from '../../sw/protocols/adapter.js';
import type { Subject } from './subject.js';
import { plainServerSubject } from './subjects/plain-server.js';
import { plainTusSubject } from './subjects/tus.js';
import { type RowName, runTable } from './table.js';

interface Mutant {
  readonly name: string;
  readonly subject: Subject;
  readonly row: RowName;
  readonly mutate: (adapter: Adapter) => Partial<Adapter>;
}

const failureOf = (cause: unknown) => (cause instanceof ProtocolFailure ? cause : undefined);
const otherwise = (cause: unknown, status: number, verdict: ProtocolFailure['verdict']): never => {
  const failure = failureOf(cause);
  if (failure?.httpStatus !== status) throw cause;
  throw new ProtocolFailure(verdict, failure.code, failure.message, { httpStatus: status });
};

const mutants: readonly Mutant[] = [
  {
    name: 'takes bytes that were sent for bytes that are held',
    subject: plainServerSubject,
    row: 'body cut',
    mutate: (adapter) => ({ send: (...args) => adapter.send(...args).catch(() => ({})) }),
  },
  {
    name: 'takes a refused offset for an accepted one',
    subject: plainTusSubject,
    row: 'offset ahead',
    mutate: (adapter) => ({
      send: (...args) =>
        adapter
          .send(...args)
          .catch((cause: unknown) => (failureOf(cause)?.httpStatus === 409 ? {} : Promise.reject(cause))),
    }),
  },
  {
    name: 'starts over when it is not signed in',
    subject: plainTusSubject,
    row: '401',
    mutate: (adapter) => ({
      send: (...args) => adapter.send(...args).catch((cause: unknown) => otherwise(cause, 401, 'restart')),
    }),
  },
  {
    name: 'does not wait when it is asked to',
    subject: plainTusSubject,
    row: '429',
    mutate: (adapter) => ({
      send: (...args) => adapter.send(...args).catch((cause: unknown) => otherwise(cause, 429, 'resync')),
    }),
  },
  {
    name: 'gives up on a server that has forgotten',
    subject: plainTusSubject,
    row: 'session gone',
    mutate: (adapter) => ({
      probe: (...args) => adapter.probe(...args).catch((cause: unknown) => otherwise(cause, 404, 'fatal')),
      send: (...args) => adapter.send(...args).catch((cause: unknown) => otherwise(cause, 404, 'fatal')),
    }),
  },
  {
    name: 'says what the record says when it is asked where it stands',
    subject: plainServerSubject,
    row: 'offset ahead',
    mutate: () => ({ probe: async (_upload, _state, _io, { heldBytes }) => ({ held: [[0, heldBytes]] }) }),
  },
  {
    name: 'leaves a cancelled upload where it is',
    subject: plainTusSubject,
    row: 'cancelled',
    mutate: () => ({ abort: async () => {} }),
  },
  {
    name: 'leaves a timer behind',
    subject: plainTusSubject,
    row: '1 byte',
    mutate: (adapter) => ({
      send: (...args) => {
        args[4].sleep(30_000).catch(() => {});
        return adapter.send(...args);
      },
    }),
  },
  {
    name: 'takes a web page for an answer',
    subject: plainTusSubject,
    row: 'web page',
    mutate: (adapter) => ({
      send: (...args) =>
        adapter
          .send(...args)
          .catch((cause: unknown) => (failureOf(cause)?.code === 'unexpected-answer' ? {} : Promise.reject(cause))),
    }),
  },
];

test.each(mutants.map((mutant) => [mutant.name, mutant.row, mutant] as const))(
  'an adapter that %s is caught by "%s"',
  { timeout: 60_000 },
  async (_name, row, { subject, mutate }) => {
    const mutated: Subject = {
      ...subject,
      adapter: (...args) => {
        const adapter = subject.adapter(...args);
        return { ...adapter, ...mutate(adapter) };
      },
    };
    const [cell] = await runTable(mutated, { rows: [row] });
    expect(cell?.outcome).toBe('failed');
    // A run in which the fault did not strike proves nothing.
    const reasons = cell?.failures.flatMap(({ wrong }) => wrong) ?? [];
    expect(reasons.filter((reason) => !reason.startsWith('The fault has not struck'))).not.toEqual([]);
  },
);
