// One upload meets everything that survival/cases.ts knows, once each: judged by what the server holds and noted, and
// by the page's word that it is delivered. The time limits are the survival script's (survival/run.ts).
import { differenceOf } from './engines/differences.js';
import { EVERY_ENGINE, expect, test } from './harness/fixtures.js';
import { makeFile } from './harness/photos.js';
import { survivalCases } from './survival/cases.js';
import { playCase } from './survival/run-case.js';
import { Stage } from './survival/stage.js';

/** Half of it takes 2 s: long enough to be in the middle of a request. */
const SIZE_BYTES = 10_000_000;

test.use({ linkOptions: { uplinkBitsPerSecond: 20_000_000 } });

for (const play of survivalCases.filter(({ slow }) => slow === undefined)) {
  const details = play.said ? {} : EVERY_ENGINE;
  test(`an upload survives: ${play.title}`, details, async ({ server, link, open, engine }, info) => {
    const file = await makeFile(info.outputPath('IMG_0001.jpg'), SIZE_BYTES, play.name);
    const stage = new Stage({ server, link, file, launch: open });
    try {
      const verdict = await playCase(play, stage);
      await info.attach('trace', { body: verdict.trace.join('\n'), contentType: 'text/plain' });
      expect(verdict).toMatchObject({ delivered: true, deliveries: 1, hashEqual: true });
      expect(verdict.writers).toBeLessThanOrEqual(1);
      // The only thing that differs anywhere.
      if (differenceOf(engine, info.title)) expect(verdict.silentResends).toBeGreaterThan(1);
      else if (play.sendsAgain === undefined) expect(verdict.acknowledgedSentAgainBytes).toBe(0);
    } finally {
      stage.close();
    }
  });
}
