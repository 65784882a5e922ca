import openwhisk from 'openwhisk';

/** What the demo's action answers. */
export interface ActionReport {
  /** Process of the instance. */
  pid: number;
  /** `InferenceSession.create`, once per instance. */
  loadMs: number;
  runMs: number[];
  logits: number[];
}

export interface ActionOptions {
  code: string;
  memoryMb: number;
  params: Readonly<Record<string, unknown>>;
}

/** Time limit of an activation, ms: the first one of a model also prepares it for sharing. */
const TIMEOUT_MS = 120_000;

/** How often a result is asked for once the platform has stopped waiting for it, and for how long. */
const POLL_MS = 200;
const POLLS_MAX = 900;

/** The platform as a user sees it: the npm client `openwhisk`, unmodified. */
export class Cloud {
  readonly #client: openwhisk.Client;

  constructor(apihost: string, apiKey: string) {
    this.#client = openwhisk({ apihost, api_key: apiKey });
  }

  async createAction(name: string, { code, memoryMb, params }: ActionOptions): Promise<void> {
    // The client's own options cannot say annotations; it sends an action object as it is.
    const action = {
      exec: { kind: 'nodejs:tetris', code },
      // One activation an instance: the figures are about instances.
      annotations: [{ key: 'tetris-concurrency', value: 1 }],
      parameters: Object.entries(params).map(([key, value]) => ({ key, value })),
      limits: { memory: memoryMb, timeout: TIMEOUT_MS },
    };
    await this.#client.actions.create({ name, action });
  }

  async deleteAction(name: string): Promise<void> {
    await this.#client.actions.delete(name);
  }

  /** Invokes and waits for the result. @throws Error with the activation's id and what the action reported */
  async invoke(name: string, params: openwhisk.Dict): Promise<ActionReport> {
    const reply = await this.#client.actions.invoke({ name, params, blocking: true });
    const { activationId, response } = reply.response === undefined ? await this.#record(reply) : reply;
    if (response?.success !== true) {
      throw new Error(`activation ${activationId} of ${name} failed: ${JSON.stringify(response?.result)}`);
    }
    return response.result as unknown as ActionReport;
  }

  /** The record of an activation that outlived the time for which the platform waits. */
  async #record({ activationId }: { activationId: string }): Promise<openwhisk.Activation<openwhisk.Dict>> {
    for (let poll = 0; poll < POLLS_MAX; poll += 1) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const record = await this.#client.activations.get(activationId).catch(() => undefined);
      if (record !== undefined) return record;
    }
    throw new Error(`activation ${activationId} has no record after ${(POLL_MS * POLLS_MAX) / 1000} s`);
  }
}
