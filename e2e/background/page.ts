// Fetches its own file, because without a debugger nobody can put one into an input; has the browser send it, and tells the
// server how that went, since no test speaks with this page.
import { Backhaul, sendInBackground } from '../../src/index.js';

const tell = (what: string) => void fetch(`/told/${what}`).catch(() => undefined);

const backhaul = await Backhaul.register(`/worker.js${location.search}`);
const bytes = await (await fetch('/source.bin')).blob();
const [upload] = await backhaul.enqueue([new File([bytes], 'source.bin', { lastModified: 1 })], { endpoint: 'photos' });
if (upload) {
  upload.subscribe(() => {
    const { snapshot } = upload;
    document.title = `${snapshot.status}: ${snapshot.status === 'waiting' ? (snapshot.error?.code ?? snapshot.reason) : ''}`;
  });
  const isSent = await sendInBackground(backhaul, upload.id, { title: 'source.bin' });
  const { snapshot } = upload;
  const state = snapshot.status === 'waiting' ? snapshot.reason : snapshot.status;
  tell(`${isSent ? 'handed-over' : 'refused'}/${state}`);
}
