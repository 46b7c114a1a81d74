// The soak's page: fetches its own file, because without a debugger nobody can put one into an input; hands it over,
// and tells the server when it is hidden, shown or frozen.
import { Backhaul } from '../../src/index.js';

const tell = (what: string) => void fetch(`/soak/${what}`).catch(() => undefined);

tell(document.visibilityState);
document.addEventListener('visibilitychange', () => tell(document.visibilityState));
document.addEventListener('freeze', () => tell('frozen'));
document.addEventListener('resume', () => tell('resumed'));

const backhaul = await Backhaul.register('/worker.js?endpoint=photos&status=/api/status&upload=/api/upload');
const bytes = await (await fetch('/source.bin')).blob();
const [upload] = await backhaul.enqueue([new File([bytes], 'source.bin', { lastModified: 1 })], { endpoint: 'photos' });
tell('enqueued');
// In front of this page, which is hidden from now on. Chromium would want a click for it.
open('about:blank');
await upload?.finished;
tell('finished');
