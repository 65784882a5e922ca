/** Containers of a test's kubelet that are servers of this very process: thousands of pods at the price of a few. */
import { createServer } from 'node:http';
import type { PodRuntime } from './kubelet';

const PORT = 8080;
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';
const KILLED = 137;

/** Every action is an echo that writes both sentinels. */
export const lightRuntime: PodRuntime = {
  async start(_pod, address, onOutput) {
    let end: (exit: { exitCode: number; outOfMemory: boolean }) => void = () => undefined;
    const ended = new Promise<{ exitCode: number; outOfMemory: boolean }>((resolve) => (end = resolve));
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { value, activation_id: id } = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
        if (request.url === '/run') {
          for (const stream of ['stdout', 'stderr'] as const) {
            onOutput(stream, Buffer.from(`\u0001${String(id)}\u0001${SENTINEL}`));
          }
        }
        const body = JSON.stringify(request.url === '/run' ? value : { OK: true });
        response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(PORT, address, resolve));
    const kill = (): void => {
      server.closeAllConnections();
      server.close(() => end({ exitCode: KILLED, outOfMemory: false }));
    };
    return { ended, kill };
  },
};
