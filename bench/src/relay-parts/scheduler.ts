/**
 * A scheduler that does nothing but hand out: two queues, one that a stock container would pull, one that the load
 * balancer pulls. It answers as OpenWhisk's does, in order and at once, or after a second with nothing.
 */
import type { Server } from '@grpc/grpc-js';
import { serveFetches } from '../servers/fetch-server';

const PULL_MS = 1_000;
const NOTHING = '{"noActivationMessage":"none","type":"NoActivationMessage"}';

type Answer = (text: string) => void;

interface Queue {
  messages: string[];
  pulls: Answer[];
}

export class BenchScheduler {
  #server: Server | undefined;
  readonly #queues = new Map<string, Queue>();

  /** @returns its port */
  async start(): Promise<number> {
    const serving = await serveFetches(({ request, answer }) => this.#pull(request.invocationNamespace, answer));
    this.#server = serving.server;
    return serving.port;
  }

  /** @param namespace whose queue */
  offer(namespace: string, message: string): void {
    const { pulls, messages } = this.#queue(namespace);
    const first = pulls.shift();
    if (first === undefined) messages.push(message);
    else first(message);
  }

  stop(): void {
    this.#server?.forceShutdown();
  }

  #pull(namespace: string, answer: Answer): void {
    const { pulls, messages } = this.#queue(namespace);
    const next = messages.shift();
    if (next !== undefined) return answer(next);
    const timer = setTimeout(() => {
      pulls.splice(pulls.indexOf(waiting), 1);
      answer(NOTHING);
    }, PULL_MS);
    const waiting = (text: string): void => {
      clearTimeout(timer);
      answer(text);
    };
    pulls.push(waiting);
  }

  #queue(namespace: string): Queue {
    const queue = this.#queues.get(namespace) ?? { messages: [], pulls: [] };
    this.#queues.set(namespace, queue);
    return queue;
  }
}
