// Says once what became of a share: the worker opens the app with it in the address.
import type { UploadSnapshot } from '../../src/index.js';
import { byId, setText } from './dom.js';
import { mediumOf } from './facts.js';
import { type Shared, sharedWords } from './sentences.js';

/** Call it when the uploads are known, since only they tell photos from videos. */
export function showShared(uploads: readonly UploadSnapshot[]): void {
  const shared = sharedOf(new URL(location.href).searchParams);
  if (shared === undefined) return;
  // A reload, or a bookmark, is no second share.
  history.replaceState(null, '', '/');
  const root = byId('shared', HTMLElement);
  const newest = uploads.filter(({ metadata }) => metadata['shared']).slice(-shared.accepted);
  setText(byId('shared-words', HTMLElement), sharedWords(shared, mediumOf(newest)));
  root.dataset['kind'] = shared.accepted > 0 && shared.refused === 0 ? 'shared' : 'refused';
  root.hidden = false;
  byId('shared-dismiss', HTMLButtonElement).addEventListener('click', () => {
    root.hidden = true;
    byId('views', HTMLElement).focus();
  });
}

function sharedOf(query: URLSearchParams): Shared | undefined {
  if (!query.has('shared')) return undefined;
  // Anybody can write a link to this page: numbers are all that is shown of it.
  const count = (name: string) => Math.trunc(Math.min(Math.max(0, Number(query.get(name)) || 0), 9999));
  return { accepted: count('shared'), refused: count('refused'), code: query.get('code') ?? undefined };
}
