import type { ActivationMessage } from '@tetris/common';
import { type Behaviour } from '../../../support/fake-invoker';
import { until } from '../../../support/until';
import {
  ACTIONS,
  ACTIVATIONS,
  type Answer,
  basic,
  CODE,
  OTHER,
  type RestPlatform,
  restPlatform,
} from './rest-platform';

const pair = (key: string, value: unknown): object => ({ key, value });

let subject: RestPlatform;
const call: RestPlatform['call'] = (...args) => subject.call(...args);
const putAction = (name: string, body: object = {}, query = ''): Promise<Answer> =>
  call('PUT', `${ACTIONS}/${name}${query}`, { exec: { kind: 'nodejs:20', code: CODE }, ...body });
const putSequence = (name: string, components: string[], body: object = {}, query = ''): Promise<Answer> =>
  putAction(name, { exec: { kind: 'sequence', components }, ...body }, query);
const invoke = (name: string, body: object = {}, query = 'blocking=true'): Promise<Answer> =>
  call('POST', `${ACTIONS}/${name}?${query}`, body);
const record = async (id: string): Promise<Answer['body']> => (await call('GET', `${ACTIVATIONS}/${id}`)).body;
const annotation = (of: { annotations: { key: string; value: unknown }[] }, key: string): unknown =>
  of.annotations.find((each) => each.key === key)?.value;

/** Each action adds its name to `trail`. */
const trail = ({ action, content }: ActivationMessage): Behaviour => {
  const { name } = action as { name: string };
  const { trail: before = [], ...rest } = content as { trail?: string[] };
  return { result: { ...rest, trail: [...before, name] } };
};

async function start(...args: Parameters<typeof restPlatform>): Promise<void> {
  subject = await restPlatform(...args);
  await subject.start();
  for (const name of ['a', 'b', 'c']) await putAction(name);
  subject.behave(trail);
}
afterEach(() => subject.stop());

describe('sequences', () => {
  it('are stored with their components as names in full', async () => {
    await start();
    const { body } = await putSequence('seq', ['/_/a', '/guest/b', 'guest/c'], { parameters: [pair('lost', 1)] });
    const components = ['/guest/a', '/guest/b', '/guest/c'];
    expect(body).toMatchObject({ exec: { kind: 'sequence', components }, parameters: [pair('_actions', components)] });
    expect(body.exec).not.toHaveProperty('binary');
    expect(annotation(body, 'exec')).toBe('sequence');
    const action = await putAction('seq', {}, '?overwrite=true');
    expect(action.body).toMatchObject({ exec: { kind: 'nodejs:20' }, parameters: [] });
  });

  it('pass each result on, and keep a record of the whole with the ids of its parts', async () => {
    await start();
    await putSequence('seq', ['/_/a', '/_/b', '/_/c']);
    const { status, body, headers } = await invoke('seq', { n: 1 });
    expect(status).toBe(200);
    const ids = subject.invoker.received.map(({ activationId }) => activationId);
    expect(body).toMatchObject({
      ...{ namespace: 'guest', name: 'seq', version: '0.0.1', subject: 'guest', logs: ids, duration: 15 },
      response: { status: 'success', success: true, result: { n: 1, trail: ['a', 'b', 'c'] } },
    });
    expect(headers['x-openwhisk-activation-id']).toBe(body.activationId);
    expect(annotation(body, 'topmost')).toBe(true);
    expect(annotation(body, 'kind')).toBe('sequence');
    expect(annotation(body, 'path')).toBe('guest/seq');
    expect(annotation(body, 'waitTime')).toEqual(expect.any(Number));
    expect(annotation(body, 'causedBy')).toBeUndefined();
    expect(body).not.toHaveProperty('cause');
    expect(await record(body.activationId)).toEqual(body);
    for (const message of subject.invoker.received) {
      expect(message).toMatchObject({ blocking: true, cause: body.activationId });
      expect(message.transid[0]).toBe(headers['x-request-id']);
    }
    expect((await invoke('seq', { n: 2 }, 'blocking=true&result=true')).body).toEqual({ n: 2, trail: ['a', 'b', 'c'] });
  });

  it('answer with the id at once where nobody waits, and go on', async () => {
    await start();
    await putSequence('seq', ['/_/a', '/_/b']);
    const { status, body } = await invoke('seq', {}, 'blocking=false');
    expect(status).toBe(202);
    await until(async () => (await call('GET', `${ACTIVATIONS}/${body.activationId}`)).status === 200);
    expect((await record(body.activationId)).response.result).toEqual({ trail: ['a', 'b'] });
  });

  it('answer with the id when the wait is over, and go on', async () => {
    await start();
    await putSequence('seq', ['/_/a']);
    subject.behave({ delayMs: 200, result: { done: true } });
    const { status, body } = await invoke('seq', {}, 'blocking=true&timeout=50');
    expect(status).toBe(202);
    await until(async () => (await call('GET', `${ACTIVATIONS}/${body.activationId}`)).status === 200);
  });

  it.each([
    [1, 502, 'application error'],
    [2, 502, 'action developer error'],
  ])('end with the first error (status %i), which is their own', async (statusCode, status, word) => {
    await start();
    await putSequence('seq', ['/_/a', '/_/b', '/_/c']);
    subject.behave((message) =>
      (message.action as { name: string }).name === 'b' ? { statusCode, result: { error: 'because' } } : trail(message),
    );
    const answer = await invoke('seq');
    expect(answer).toMatchObject({ status, body: { response: { status: word, result: { error: 'because' } } } });
    expect(answer.body.logs).toHaveLength(2);
    expect(subject.invoker.received).toHaveLength(2);
  });

  it('run sequences within, whose records name what caused them', async () => {
    await start();
    await putSequence('inner', ['/_/a', '/_/b']);
    await putSequence('outer', ['/_/inner', '/_/c']);
    const { body } = await invoke('outer');
    expect(body.response.result).toEqual({ trail: ['a', 'b', 'c'] });
    const inner = await record(body.logs[0]);
    expect(inner).toMatchObject({ name: 'inner', cause: body.activationId });
    expect([annotation(inner, 'topmost'), annotation(inner, 'causedBy')]).toEqual([false, 'sequence']);
    const [a, b, c] = subject.invoker.received;
    expect(inner.logs).toEqual([a?.activationId, b?.activationId]);
    expect([a?.cause, b?.cause, c?.cause]).toEqual([inner.activationId, inner.activationId, body.activationId]);
  });

  it('find components through bindings, with the parameters they inherit', async () => {
    await start();
    await call('PUT', '/api/v1/namespaces/_/packages/p', { parameters: [pair('from', 'package')] });
    await putAction('p/x');
    await call('PUT', '/api/v1/namespaces/_/packages/q', { binding: { namespace: '_', name: 'p' } });
    await putSequence('seq', ['/_/q/x']);
    expect((await invoke('seq')).body.response.result).toEqual({ from: 'package', trail: ['x'] });
    expect(subject.invoker.received[0]?.action).toMatchObject({ path: 'guest/p', binding: 'guest/q' });
  });

  it('expected failure: a component that is gone ends them', async () => {
    await start();
    await putSequence('seq', ['/_/a', '/_/b']);
    await call('DELETE', `${ACTIONS}/b`);
    expect(await invoke('seq')).toMatchObject({
      status: 502,
      body: { response: { status: 'application error', result: { error: 'Sequence component does not exist.' } } },
    });
  });

  it('bad call: refuse what is too long, circular, not there or not for its user', async () => {
    await start({ sequenceActionsMax: 3 });
    const refused = async (answer: Promise<Answer>): Promise<unknown> => {
      const { status, body } = await answer;
      return [status, body.error];
    };
    expect(await refused(putSequence('s', ['/_/a', '/_/a', '/_/a', '/_/a']))).toEqual([
      400,
      'Too many actions in the sequence.',
    ]);
    await putSequence('two', ['/_/a', '/_/b']);
    expect(await refused(putSequence('s', ['/_/two', '/_/two']))).toEqual([400, 'Too many actions in the sequence.']);
    expect(await refused(putSequence('two', ['/_/two'], {}, '?overwrite=true'))).toEqual([
      400,
      'Sequence may not refer to itself.',
    ]);
    await putSequence('three', ['/_/two']);
    expect(await refused(putSequence('two', ['/_/three'], {}, '?overwrite=true'))).toEqual([
      400,
      'Sequence may not refer to itself.',
    ]);
    expect(await refused(putSequence('s', ['/_/none']))).toEqual([400, 'Sequence component does not exist.']);
    expect(await refused(putSequence('s', ['/other/x']))).toEqual([
      403,
      "The supplied authentication is not authorized to access 'other/x'.",
    ]);
    const theirs = await call(
      'PUT',
      '/api/v1/namespaces/guest/actions/s',
      { exec: { kind: 'sequence', components: ['/_/a'] } },
      { authorization: basic(OTHER.key) },
    );
    expect(theirs.status).toBe(403);
  });
});

describe('compositions', () => {
  /** Runs `steps` one after the other: actions, with their parameters. */
  const conductor =
    (steps: object[]) =>
    (message: ActivationMessage): Behaviour => {
      const content = message.content as { step?: number };
      if ((message.action as { name: string }).name !== 'conduct') return trail(message);
      const { step = 0, ...rest } = content;
      const next = steps[step];
      return { result: next === undefined ? { params: rest } : { state: { step: step + 1 }, params: rest, ...next } };
    };
  const putConductor = (): Promise<Answer> => putAction('conduct', { annotations: [pair('conductor', true)] });

  it('run what their conductor says, and keep a record of the whole', async () => {
    await start();
    await putConductor();
    await putSequence('seq', ['/_/b', '/_/c']);
    subject.behave(conductor([{ action: 'a' }, { action: '/guest/seq' }]));
    const { status, body } = await invoke('conduct', { n: 1 });
    expect(status).toBe(200);
    expect(body.response.result).toEqual({ n: 1, trail: ['a', 'b', 'c'] });
    expect(body.logs).toHaveLength(5);
    expect([annotation(body, 'conductor'), annotation(body, 'topmost'), annotation(body, 'kind')]).toEqual([
      true,
      true,
      'sequence',
    ]);
    expect(subject.invoker.received.map(({ action }) => (action as { name: string }).name)).toEqual([
      'conduct',
      'a',
      'conduct',
      'b',
      'c',
      'conduct',
    ]);
  });

  it('tell their conductor of what cannot be run', async () => {
    await start();
    await putConductor();
    for (const [action, text] of [
      ['none', "Failed to resolve action with name 'guest/none' during composition."],
      ['/other/x', "Failed entitlement check for action with name 'other/x' during composition."],
      [7, 'Failed to parse action name from json value 7 during composition.'],
    ]) {
      subject.behave(({ content }) => ({ result: 'error' in (content as object) ? content : { action } }));
      expect((await invoke('conduct')).body.response.result).toEqual({ error: text });
    }
  });

  it('expected failure: end where their conductor never does', async () => {
    await start({ sequenceActionsMax: 2 });
    await putConductor();
    subject.behave({ result: { action: 'conduct' } });
    expect((await invoke('conduct')).body.response.result).toEqual({ error: 'Too many actions in the composition.' });
    expect(subject.invoker.received.length).toBeLessThanOrEqual(5);
  });
});
