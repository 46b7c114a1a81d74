// Who decides which request meets which fault: one fault at one request, for a cell of the table, or chance, for a
// seeded run. Both know afterwards what has really happened.

import type { Stage } from './deliver.js';
import { Dice } from './dice.js';
import { isTarget, lengthOf, type StrikeName, strikeNames, strikeOf } from './faults.js';
import type { Subject } from './subject.js';
import type { Asked, Strike } from './wire.js';

export interface Striker {
  readonly strike: (asked: Asked, stage: Stage) => Strike | undefined;
  /** Faults that have struck, in order. */
  readonly struck: (journal: Stage['journal']) => readonly StrikeName[];
}

/** `fault` strikes the request `ordinal` (and some that follow it, where that is its nature). */
export function strikerAt(fault: StrikeName, ordinal: number, dice: Dice): Striker {
  const length = lengthOf(fault, dice);
  const hits = new Map<number, StrikeName>();
  return {
    strike: (asked, stage) => {
      if (asked.ordinal < ordinal || asked.ordinal >= ordinal + length) return undefined;
      hits.set(asked.ordinal, fault);
      return strikeOf(fault, asked, { ...stage, dice });
    },
    struck: (journal) => real(hits, journal),
  };
}

/** Most faults of one run: then it must come to an end. */
const MOST_STRIKES = 6;
const STRIKE_CHANCE = 0.3;
/** The engine allows three before it gives up on a server that forgets. */
const MOST_LOSSES = 2;
/** They start a server anew, which takes as long as ten other runs. */
const costly: readonly StrikeName[] = ['server killed', 'session gone', 'offset behind'];
const COSTLY_CHANCE = 0.2;

/** Any fault that the subject can meet, at any request, several in one run. */
export function strikerByChance({ cannot = {} }: Subject, seed: number): Striker {
  const hits = new Map<number, StrikeName>();
  let losses = 0;
  return {
    strike: (asked, stage) => {
      // Its own dice: so that a request's fate hangs on its number alone.
      const dice = new Dice(seed, 'strike', asked.ordinal);
      if (hits.size >= MOST_STRIKES || !dice.chance(STRIKE_CHANCE)) return undefined;
      const earlier = stage.journal.slice(0, asked.ordinal);
      const possible = strikeNames.filter(
        (fault) =>
          cannot[fault] === undefined &&
          isTarget(fault, asked, earlier) &&
          (losses < MOST_LOSSES || !costly.includes(fault)) &&
          (!costly.includes(fault) || dice.chance(COSTLY_CHANCE)),
      );
      if (possible.length === 0) return undefined;
      const fault = dice.pick(possible);
      if (costly.includes(fault)) losses += 1;
      hits.set(asked.ordinal, fault);
      return strikeOf(fault, asked, { ...stage, dice });
    },
    struck: (journal) => real(hits, journal),
  };
}

/** An answer without a body cannot end in its middle: that was no fault after all. */
function real(hits: ReadonlyMap<number, StrikeName>, journal: Stage['journal']): readonly StrikeName[] {
  return [...hits].flatMap(([ordinal, fault]) =>
    fault === 'answer cut' && (journal[ordinal]?.answerBytes ?? 0) === 0 ? [] : [fault],
  );
}
