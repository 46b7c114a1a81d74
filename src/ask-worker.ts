// One question to the worker on a port of its own, for what is not in every app's wire (messages.ts).

import { fromWire, isWireError, UploadError } from './contracts/errors.js';
import { activeWorker, type Host } from './registration.js';

/** The answer. Throws what the worker answers with if that is an error; `worker-unresponsive`, with `silent`, if it answers nothing. */
export async function askWorker(host: Host, message: unknown, limitMs: number, silent: string): Promise<unknown> {
  const worker = await activeWorker(host);
  const { port1, port2 } = new MessageChannel();
  const answered = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new UploadError('worker-unresponsive', silent)), limitMs);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      if (isWireError(data)) reject(fromWire(data));
      else resolve(data);
    };
    worker.postMessage(message, [port2]);
  });
  return answered.finally(() => port1.close());
}
