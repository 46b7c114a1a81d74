// The page of --plain: an input, and the state of the upload in the library's own words.
import { Backhaul } from '../../src/index.js';

const backhaul = await Backhaul.register('/worker.js?endpoint=photos&status=/api/status&upload=/api/upload');
const input = document.querySelector<HTMLInputElement>('#file-input');
const line = document.querySelector('#status-line');

const show = () => {
  const [upload] = backhaul.getSnapshot().uploads;
  const words =
    upload === undefined ? 'nothing' : upload.status === 'waiting' ? `waiting: ${upload.reason}` : upload.status;
  line?.replaceChildren(words);
};
backhaul.subscribe(show);
input?.addEventListener('change', () => void backhaul.enqueue(input.files ?? [], { endpoint: 'photos' }));
show();
Object.assign(window, { backhaul });
document.documentElement.dataset['ready'] = 'true';
