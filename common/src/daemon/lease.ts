import type { Readable } from 'node:stream';
import { PluginError } from '../errors';
import type { LeaseEvent, LeaseGrant } from './protocol';

/** A held lease. Ending the process that holds it, for whatever reason, releases it too. */
export interface Lease extends LeaseGrant {
  /** Gives the lease back; idempotent. */
  release(): void;
  /** Resolves when the lease has ended, by {@link Lease.release} or because the daemon went away. */
  readonly ended: Promise<void>;
}

export type ProgressListener = (progress: Extract<LeaseEvent, { event: 'progress' }>) => void;

/** Reads the lines about a lease until it is granted. @throws PluginError what the daemon refuses with */
export async function readLease(body: Readable, onProgress?: ProgressListener): Promise<Lease> {
  const iterator = lines(body);
  for (;;) {
    const { value, done } = await iterator.next();
    if (done === true) {
      throw new PluginError('ERR_DAEMON_UNAVAILABLE', 'the tensor daemon ended the lease while it was being made', {
        retriable: true,
      });
    }
    const event = JSON.parse(value) as LeaseEvent;
    if (event.event === 'progress') onProgress?.(event);
    if (event.event === 'failed') throw PluginError.fromWire(event.error);
    if (event.event === 'leased') {
      const { leaseId, modelKey, view, tensorBytes, tensors, warm } = event;
      const ended = (async (): Promise<void> => {
        try {
          while ((await iterator.next()).done !== true);
        } catch {
          // The connection broke: ended all the same.
        }
      })();
      return { leaseId, modelKey, view, tensorBytes, tensors, warm, ended, release: () => body.destroy() };
    }
  }
}

async function* lines(body: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const chunk of body.setEncoding('utf8')) {
    rest += chunk as string;
    for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
      yield rest.slice(0, at);
      rest = rest.slice(at + 1);
    }
  }
}
