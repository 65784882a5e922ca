/** OpenWhisk's API, as the page uses it. */
import { answerOf } from './live.js';

const ROOT = '/api/v1/namespaces/_';

export class Api {
  #headers;

  /** @param key `uuid:secret` */
  constructor(key) {
    this.#headers = { authorization: `Basic ${btoa(key)}`, 'content-type': 'application/json' };
  }

  actions() {
    return this.#ask('GET', '/actions?limit=200');
  }

  activations(count) {
    return this.#ask('GET', `/activations?limit=${count}`);
  }

  activation(id) {
    return this.#ask('GET', `/activations/${id}`);
  }

  /** @param action a body of `PUT /actions/:name` */
  create(name, action) {
    return this.#ask('PUT', `/actions/${encodeURIComponent(name)}?overwrite=true`, action);
  }

  remove(name) {
    return this.#ask('DELETE', `/actions/${encodeURIComponent(name)}`);
  }

  /** Runs it and waits. @returns the record, of a failed activation too. @throws Error where there is no record */
  async invoke(name, input) {
    const response = await fetch(`${ROOT}/actions/${encodeURIComponent(name)}?blocking=true`, {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(input),
    });
    const body = await response.json();
    if (body.activationId === undefined) throw new Error(body.error ?? `${response.status} ${response.statusText}`);
    return body;
  }

  #ask(method, path, body) {
    return answerOf(`${ROOT}${path}`, {
      method,
      headers: this.#headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }
}

/** The value of an annotation. */
export const annotation = ({ annotations = [] }, key) => annotations.find((pair) => pair.key === key)?.value;
