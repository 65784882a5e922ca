import {
  answered,
  begin,
  failed,
  nextPayload,
} from '../../../../standalone/src/controller/activation/sequence-accounting';
import { failure } from '../../../../standalone/src/controller/activation/composite-record';
import { anActivation } from '../../../support/entities';

const activation = (result: unknown, duration = 10, memory?: number) =>
  anActivation({
    response: { statusCode: 0, result },
    duration,
    annotations: memory === undefined ? [] : [{ key: 'limits', value: { memory } }],
  });

describe('the accounting of a sequence', () => {
  it('begins with the payload and goes on with each result that is an object or an array', () => {
    let accounting = begin({ n: 1 }, 0);
    expect(nextPayload(accounting)).toEqual({ n: 1 });
    accounting = answered(accounting, activation({ n: 2 }), 1, 50);
    expect(nextPayload(accounting)).toEqual({ n: 2 });
    accounting = answered(accounting, activation([3]), 2, 50);
    expect(nextPayload(accounting)).toEqual([3]);
    accounting = answered(accounting, activation('text'), 3, 50);
    expect(nextPayload(accounting)).toBeUndefined();
    expect(accounting.isOver).toBe(false);
  });

  it('adds up ids and durations, and keeps the largest memory', () => {
    const parts = [activation({}, 10, 256), activation({}, 20, 512), activation({}, 30)];
    const accounting = parts.reduce((before, part, index) => answered(before, part, index + 1, 50), begin({}, 0));
    expect(accounting).toMatchObject({ atomicCount: 3, durationMs: 60, memoryMb: 512 });
    expect(accounting.activationIds).toEqual(parts.map(({ activationId }) => activationId));
  });

  it('is over with a result that has an error, whatever its status', () => {
    const accounting = answered(begin({}, 0), activation({ error: null }), 1, 50);
    expect(accounting).toMatchObject({ isOver: true, response: { statusCode: 0, result: { error: null } } });
  });

  it('is over past the number of actions, with an error of its own', () => {
    expect(answered(begin({}, 2), activation({}), 3, 2)).toMatchObject({
      isOver: true,
      response: { statusCode: 1, result: { error: 'Too many actions in the sequence.' } },
    });
  });

  it('is over with a part that has no record, of which the id may be known', () => {
    const response = failure(3, 'why');
    expect(failed(begin({}, 0), response)).toMatchObject({ isOver: true, response, activationIds: [] });
    expect(failed(begin({}, 0), response, 'a').activationIds).toEqual(['a']);
  });
});
