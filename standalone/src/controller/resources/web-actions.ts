import { type EntityName, type Identity, isPluginError, type TransactionId, valueOf } from '@tetris/common';
import type { Activations } from '../activation/activations';
import { finalParameters, payloadOf, type RunnableAction } from '../activation/message';
import type { Invoked } from '../activation/single-actions';
import { rootOf } from '../entities/names';
import type { SystemLimits } from '../limits';
import type { Resolution } from '../resolution';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { parsedArguments, rawArguments, type WebRequest } from '../web/arguments';
import type { ActionResource } from './actions';

export interface WebActionResourceOptions {
  /** Undefined for a namespace that there is not. */
  identityOf: (namespace: string) => Promise<Identity | undefined>;
  actions: ActionResource;
  resolution: Resolution;
  activations: Activations;
  limits: SystemLimits;
}

/** A web action that was found, with who it runs for: the namespace in its address. */
export interface FoundWebAction {
  owner: Identity;
  action: RunnableAction;
  /** Does the action answer OPTIONS, and say who may call it from where? */
  handlesCors: boolean;
}

/** The package where an API gateway keeps what manages it. */
const GATEWAY_PACKAGE = 'whisk.system/apimgmt';

/** Actions that anybody may call who knows their address. Source: `K/controller/WebActions.scala`. */
export class WebActionResource {
  readonly #options: WebActionResourceOptions;

  constructor(options: WebActionResourceOptions) {
    this.#options = options;
  }

  /** @throws RestError 404 also for an action that is not exported, so that nobody learns that it is there; 429 */
  async find(name: EntityName): Promise<FoundWebAction> {
    const { identityOf, actions, resolution } = this.#options;
    const owner = await identityOf(rootOf(name.path));
    const exported = owner === undefined ? undefined : await resolution.action(name).catch(hidden);
    if (owner === undefined || exported === undefined || !isSet(exported, 'web-export')) throw absent(name);
    const action = await actions.runnable(owner, name);
    return { owner, action, handlesCors: isSet(action, 'web-custom-options') };
  }

  /** May this request run the action? @param caller who has given a valid key */
  isAuthorized({ action }: FoundWebAction, { headers }: WebRequest, caller: Identity | undefined): boolean {
    const required = valueOf(action.annotations, 'require-whisk-auth');
    if (required === undefined || required === false) return true;
    if (required === true) return caller !== undefined;
    if (typeof required !== 'string' && typeof required !== 'number') return false;
    return headers['x-require-whisk-auth'] === String(required);
  }

  /** @throws RestError 400, 413; PluginErrors as of any invocation */
  async run(
    { owner, action }: FoundWebAction,
    request: WebRequest,
    caller: Identity | undefined,
    transid: TransactionId,
  ): Promise<Invoked> {
    const { activations, limits } = this.#options;
    const user = { namespace: caller?.namespace.name };
    const args = isSet(action, 'raw-http')
      ? rawArguments(request, user)
      : parsedArguments(request, user, finalParameters(action));
    const payload = payloadOf(args, limits.payloadBytesMax);
    return activations.invoke({ user: owner, action, payload, transid }, limits.blockingWaitMs);
  }
}

const isSet = ({ annotations }: RunnableAction, key: string): boolean => valueOf(annotations, key) === true;

function absent(name: EntityName): RestError {
  return new RestError(
    404,
    name.path === GATEWAY_PACKAGE ? `${TEXTS.notFound} No API gateway is installed.` : TEXTS.notFound,
  );
}

function hidden(error: unknown): undefined {
  if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND') || isPluginError(error, 'ERR_DOCUMENT_TYPE')) return undefined;
  throw error;
}
