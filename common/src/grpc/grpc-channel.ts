/** gRPC calls whose messages are typed by their description; whoever they are for. */
import {
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  create,
} from '@bufbuild/protobuf';
import type { DescMethodBiDiStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import { ChannelCredentials, Client, type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { errorMessage, PluginError } from '../errors';

export type { ChannelCredentials };

/** Messages both ways, until one of the sides ends it. */
export type Duplex<I extends DescMessage, O extends DescMessage> = Omit<
  ClientDuplexStream<MessageShape<I>, MessageShape<O>>,
  'write'
> & { write(message: MessageShape<I>): boolean };

/** Who is there now, and would answer later: the rest is about what was asked. */
const PASSING: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.INTERNAL,
]);

/** @param tls with the certificates that Node trusts */
export function grpcCredentials(tls: boolean): ChannelCredentials {
  return tls ? ChannelCredentials.createSsl() : ChannelCredentials.createInsecure();
}

/** One connection to one server; it is made when it is needed, and made again when it has broken. */
export class GrpcChannel {
  readonly address: string;
  readonly #client: Client;

  /** @param address `host:port` */
  constructor(address: string, credentials: ChannelCredentials, messageBytesMax?: number) {
    this.address = address;
    const bytes = messageBytesMax === undefined ? {} : { 'grpc.max_receive_message_length': messageBytesMax };
    // A server that is back is to be met within seconds.
    this.#client = new Client(address, credentials, { 'grpc.max_reconnect_backoff_ms': 2_000, ...bytes });
  }

  /**
   * @param timeoutMs after which the call is cancelled
   * @throws PluginError `ERR_STORE_UNAVAILABLE` (retriable where the server is away), with the status as `status`
   */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: number,
  ): Promise<MessageShape<O>> {
    const { path, write, read } = codec(method);
    const message = create(method.input, request);
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: MessageShape<O>): void => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(this.error(path, error));
      };
      this.#client.makeUnaryRequest(path, write, read, message, { deadline: Date.now() + timeoutMs }, done);
    });
  }

  duplex<I extends DescMessage, O extends DescMessage>(method: DescMethodBiDiStreaming<I, O>): Duplex<I, O> {
    const { path, write, read } = codec(method);
    return this.#client.makeBidiStreamRequest(path, write, read);
  }

  /** What a failed call is to its caller. */
  error(path: string, cause: unknown): PluginError {
    const code = (cause as Partial<ServiceError> | null)?.code ?? status.UNKNOWN;
    const text = `${this.address}${path}: ${cause === null ? 'no answer' : errorMessage(cause)}`;
    const fields = { status: status[code] ?? String(code) };
    return new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: PASSING.has(code), cause, fields });
  }

  /** Calls under way end with an error. */
  close(): void {
    this.#client.close();
  }
}

interface Codec<I extends DescMessage, O extends DescMessage> {
  path: string;
  write: (message: MessageShape<I>) => Buffer;
  read: (bytes: Buffer) => MessageShape<O>;
}

function codec<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O> | DescMethodBiDiStreaming<I, O>,
): Codec<I, O> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    write: (message) => Buffer.from(toBinary(method.input, message)),
    read: (bytes) => fromBinary(method.output, bytes),
  };
}
