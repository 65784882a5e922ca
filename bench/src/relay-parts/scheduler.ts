/**
 * A scheduler that does nothing but hand out: two queues, one that a stock container would pull, one that the load
 * balancer pulls. It answers as OpenWhisk's does, in order and at once, or after a second with nothing.
 */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from '@grpc/grpc-js';
import { ActivationService, type FetchRequest, type FetchResponse } from '@tetris/load-balancer';

const PULL_MS = 1_000;
const NOTHING = '{"message":{"noActivationMessage":"none","type":"NoActivationMessage"}}';

type Answer = (text: string) => void;

interface Queue {
  messages: string[];
  pulls: Answer[];
}

export class BenchScheduler {
  readonly #server = new Server();
  readonly #queues = new Map<string, Queue>();

  /** @returns its port */
  async start(): Promise<number> {
    const { fetchActivation } = ActivationService.method;
    const definition = {
      path: `/${ActivationService.typeName}/${fetchActivation.name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (request: FetchRequest) => Buffer.from(toBinary(fetchActivation.input, request)),
      requestDeserialize: (bytes: Buffer) => fromBinary(fetchActivation.input, bytes),
      responseSerialize: (answer: FetchResponse) => Buffer.from(toBinary(fetchActivation.output, answer)),
      responseDeserialize: (bytes: Buffer) => fromBinary(fetchActivation.output, bytes),
    } as const;
    const fetch = (
      { request }: ServerUnaryCall<FetchRequest, FetchResponse>,
      done: sendUnaryData<FetchResponse>,
    ): void =>
      this.#pull(request.invocationNamespace, (activationMessage) =>
        done(null, { $typeName: 'activation.FetchResponse', activationMessage }),
      );
    this.#server.addService({ fetch: definition }, { fetch });
    return new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  /** @param namespace whose queue */
  offer(namespace: string, message: string): void {
    const { pulls, messages } = this.#queue(namespace);
    const first = pulls.shift();
    if (first === undefined) messages.push(message);
    else first(`{"message":${message}}`);
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #pull(namespace: string, answer: Answer): void {
    const { pulls, messages } = this.#queue(namespace);
    const next = messages.shift();
    if (next !== undefined) return answer(`{"message":${next}}`);
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
