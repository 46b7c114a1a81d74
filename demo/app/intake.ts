// Every way in: picker, camera, drop, paste. Hands over plain files; what happens to them is decided elsewhere.
import { byId, setHidden } from './dom.js';
import { droppedFiles } from './dropped-files.js';

type Take = (files: readonly File[]) => void;

export function watchIntake(take: Take): void {
  watchInput(byId('file-input', HTMLInputElement), take);
  watchInput(byId('camera-input', HTMLInputElement), (files) => take(files.map(named('Photo'))));
  watchPaste(take);
  watchDrop(take);
}

function watchInput(input: HTMLInputElement, take: Take): void {
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    // Emptied, so that choosing the same photo again is a change again.
    input.value = '';
    if (files.length > 0) take(files);
  });
}

function watchPaste(take: Take): void {
  addEventListener('paste', ({ clipboardData }) => {
    const files = [...(clipboardData?.files ?? [])];
    if (files.length > 0) take(files.map(named('Pasted')));
  });
}

function watchDrop(take: Take): void {
  const overlay = byId('drop-overlay', HTMLElement);
  // Every element that the pointer crosses sends its own enter and leave; only the balance tells inside from outside.
  let depth = 0;
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
  const setDepth = (next: number) => {
    depth = Math.max(0, next);
    setHidden(overlay, depth === 0);
  };
  addEventListener('dragenter', (event) => {
    if (hasFiles(event)) setDepth(depth + 1);
  });
  addEventListener('dragleave', (event) => {
    if (hasFiles(event)) setDepth(depth - 1);
  });
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
  });
  addEventListener('drop', (event) => {
    setDepth(0);
    if (!event.dataTransfer || !hasFiles(event)) return;
    event.preventDefault();
    void droppedFiles(event.dataTransfer).then((files) => {
      if (files.length > 0) take(files);
    });
  });
}

/** Phones and clipboards call every picture "image.jpg"; a name with the time can be told apart. */
function named(prefix: string): (file: File) => File {
  return (file) => {
    if (!/^image\.\w+$/i.test(file.name)) return file;
    const time = new Date(file.lastModified);
    const pad = (value: number) => String(value).padStart(2, '0');
    const day = [time.getFullYear(), pad(time.getMonth() + 1), pad(time.getDate())].join('-');
    const clock = [pad(time.getHours()), pad(time.getMinutes()), pad(time.getSeconds())].join('.');
    const name = `${prefix} ${day} ${clock}${file.name.slice(5)}`;
    return new File([file], name, { type: file.type, lastModified: file.lastModified });
  };
}
