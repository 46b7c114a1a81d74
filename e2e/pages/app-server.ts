// The test page on an origin without an upload API; unlike the reference server it sends no Content-Security-Policy,
// so that its worker may talk to other origins.
import { createServer } from 'node:http';
import sirv from 'sirv';

export interface AppServer {
  close(): Promise<void>;
}

export async function serveApp(appDir: string, port: number): Promise<AppServer> {
  const serve = sirv(appDir);
  const server = createServer((request, response) => serve(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
