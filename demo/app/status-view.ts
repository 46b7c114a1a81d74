// The sentence at the top, the bar for everything, and what screen readers are told: milestones, not every byte.
import type { UploadTotals } from '../../src/index.js';
import { byId, setAttribute, setHidden, setText } from './dom.js';
import { type Batch, counted, type Facts } from './facts.js';
import { percentOf } from './format.js';
import { attentionWords, type Storing, statusSentence, totalWords } from './sentences.js';

export class StatusView {
  readonly #line = byId('status-line', HTMLElement);
  readonly #total = byId('total', HTMLElement);
  readonly #bar = byId('total-bar', HTMLElement);
  readonly #words = byId('total-words', HTMLElement);
  readonly #attention = byId('attention', HTMLElement);
  readonly #announcer = byId('announcer', HTMLElement);
  #before: { readonly facts: Facts; readonly storing: Storing } | undefined;

  update(facts: Facts, batch: Batch, speed: UploadTotals, storing: Storing): void {
    const sentence = statusSentence(facts, storing);
    setText(this.#line, sentence);
    const mood = storing.count > 0 ? 'storing' : facts.safe > 0 ? 'safe' : facts.delivered > 0 ? 'delivered' : 'empty';
    setAttribute(this.#line, 'data-mood', mood);
    const attention = attentionWords(facts);
    setText(this.#attention, attention);
    setHidden(this.#attention, attention === '');
    this.#updateTotal(facts, batch, speed, storing);
    const words = this.#milestone(facts, storing, sentence);
    if (words) setText(this.#announcer, words);
    this.#before = { facts, storing };
  }

  /** For what has no state in the queue, such as a control that could not be carried out. */
  say(words: string): void {
    setText(this.#announcer, words);
  }

  #updateTotal(facts: Facts, batch: Batch, speed: UploadTotals, storing: Storing): void {
    const words = totalWords(batch, speed, facts);
    setHidden(this.#total, words === '' && storing.count === 0);
    setText(this.#words, words);
    // Storing has no measurable progress: an unknown value, which is a progressbar without `aria-valuenow`.
    const percent = percentOf(batch.acknowledgedBytes, batch.sizeBytes);
    setAttribute(this.#bar, 'aria-valuenow', storing.count > 0 ? undefined : String(percent));
    setAttribute(this.#bar, 'aria-valuetext', storing.count > 0 ? 'Storing' : words || undefined);
    setAttribute(this.#bar, 'data-mode', storing.count > 0 ? 'storing' : facts.pending > 0 ? 'moving' : 'paused');
    this.#bar.style.setProperty('--progress', String(percent));
  }

  #milestone(facts: Facts, storing: Storing, sentence: string): string | undefined {
    const before = this.#before;
    if (!before) return undefined;
    if (storing.count !== before.storing.count) return sentence;
    const failed = facts.failed - before.facts.failed;
    if (failed > 0) return `${counted(failed, facts.medium)} could not be delivered.`;
    const allDone = facts.safe === 0 && before.facts.safe > 0;
    return allDone ? sentence : undefined;
  }
}
