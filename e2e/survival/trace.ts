// Owns the story of one run as text: every request on the link, every note of the server, every word of the page.
import type { Fault } from './fault.js';
import type { Stage } from './stage.js';

/** Lines in order of time, which is seconds since the fault. */
export function traceOf({ link, server, said }: Stage, { startedAtMs, couldGoOnAtMs }: Fault): string[] {
  const lines = [
    { atMs: startedAtMs, text: 'FAULT' },
    { atMs: couldGoOnAtMs, text: 'COULD GO ON' },
    ...link.requests
      .filter(({ fileId }) => fileId !== undefined)
      .map((request) => {
        const {
          method,
          path,
          startByte = '-',
          bodyBytes,
          bodyBytesForwarded,
          outcome,
          status = '',
          endedAtMs,
        } = request;
        const end = endedAtMs === undefined ? '' : ` at ${seconds(endedAtMs - startedAtMs)}`;
        const text = `${method} ${path} from ${startByte}: ${bodyBytesForwarded} of ${bodyBytes}, ${outcome} ${status}${end}`;
        return { atMs: request.startedAtMs, text: `link   ${text}` };
      }),
    ...server.ledger.map(({ atMs, run, fileId: _same, ...rest }) => ({
      atMs,
      text: `server ${run} ${JSON.stringify(rest)}`,
    })),
    ...said.map(({ atMs, where, text }) => ({ atMs, text: `page   ${where} "${text}"` })),
  ];
  return lines.toSorted((a, b) => a.atMs - b.atMs).map(({ atMs, text }) => `${seconds(atMs - startedAtMs)} ${text}`);
}

const seconds = (ms: number) => (ms / 1000).toFixed(3).padStart(8);
