/** The gRPC service of a scheduler, and nothing else of one: what answers the pulls is somebody else's. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import { ActivationService, type FetchRequest, type FetchResponse } from '@tetris/load-balancer';

export interface Fetch {
  request: FetchRequest;
  /** @param message JSON text of what the pull brings */
  answer: (message: string) => void;
  /** Has the caller hung up? What it is answered is lost then. */
  isGone: () => boolean;
}

const { fetchActivation } = ActivationService.method;
const FETCH = {
  path: `/${ActivationService.typeName}/${fetchActivation.name}`,
  requestStream: false,
  responseStream: false,
  requestSerialize: (request: FetchRequest) => Buffer.from(toBinary(fetchActivation.input, request)),
  requestDeserialize: (bytes: Buffer) => fromBinary(fetchActivation.input, bytes),
  responseSerialize: (answer: FetchResponse) => Buffer.from(toBinary(fetchActivation.output, answer)),
  responseDeserialize: (bytes: Buffer) => fromBinary(fetchActivation.output, bytes),
} as const;

/** @param port 0: a free one. The server is shut down by the caller. */
export async function serveFetches(
  fetched: (fetch: Fetch) => void,
  port = 0,
): Promise<{ server: Server; port: number }> {
  const server = new Server();
  const fetch: handleUnaryCall<FetchRequest, FetchResponse> = (call, done) =>
    fetched({
      request: call.request,
      answer: (message) =>
        done(null, { $typeName: 'activation.FetchResponse', activationMessage: `{"message":${message}}` }),
      isGone: () => call.cancelled,
    });
  server.addService({ fetch: FETCH }, { fetch });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  return { server, port: bound };
}
