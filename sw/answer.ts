// One command's way through a host: parsed, carried out, replied to on its own port.

import { toWire } from '../src/contracts/errors.js';
import { envelope, type Reply } from '../src/contracts/messages.js';
import { type CommandTools, execute, parseCommand } from './commands.js';

/** A page that hears nothing for 10 s asks again; a long store says that it is still at it. */
const BUSY_MS = 2000;

/** Settles when the reply was sent. A stranger's message has none. */
export async function answer(data: unknown, port: MessagePort | undefined, tools: CommandTools): Promise<void> {
  const reply = (body: Reply) => port?.postMessage(envelope(body));
  const busy = setInterval(() => reply({ type: 'busy' }), BUSY_MS);
  try {
    const command = parseCommand(data);
    if (command) reply({ type: 'done', value: await execute(command, tools) });
  } catch (cause) {
    reply({ type: 'refused', error: toWire(cause) });
  } finally {
    clearInterval(busy);
  }
}
