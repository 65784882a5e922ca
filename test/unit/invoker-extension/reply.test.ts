import type { ContainerReply } from '../../../invoker-extension/src/sandboxes/container';
import { classifyInit, classifyRun } from '../../../invoker-extension/src/messages/reply';
import { answered } from '../../support/invoker';

const limits = { timeoutMs: 500, replyBytesMax: 20, truncationBytes: 5 };
const long: ContainerReply = {
  outcome: 'answered',
  status: 200,
  body: 'abcdefghijklmnopqrst',
  bytes: 25,
  truncated: true,
};

/** The table of /run: reply, status, result. */
const RUNS: [string, ContainerReply, number, unknown][] = [
  ['200 with an object', answered(200, { a: 1 }), 0, { a: 1 }],
  ['200 with an array', answered(200, [1]), 0, [1]],
  ['200 with an error key drops the others', answered(200, { error: 'e', a: 1 }), 1, { error: 'e' }],
  ['200 with a null error', answered(200, { error: null }), 1, { error: null }],
  ['200 with null', answered(200, 'null'), 2, { error: 'The action did not produce a valid JSON response: null' }],
  ['200 with a string', answered(200, '"s"'), 2, { error: 'The action did not produce a valid JSON response: "s"' }],
  ['200 with no JSON', answered(200, 'oops'), 2, { error: 'The action did not produce a valid JSON response: oops' }],
  ['200 with nothing', answered(200, ''), 2, { error: 'The action did not produce a valid JSON response.' }],
  ['502 with an error', answered(502, { error: { a: 1 } }), 2, { error: { a: 1 } }],
  [
    '502 with another object',
    answered(502, '{"a":1}'),
    2,
    { error: 'The action did not produce a valid JSON response: {"a":1}' },
  ],
  ['500 with an array', answered(500, '[1]'), 2, { error: 'The action did not produce a valid JSON response: [1]' }],
  ['503 of a container that was not resumed', answered(503, { error: 'x' }), 2, { error: 'x' }],
  [
    'no reply',
    { outcome: 'gone', reached: true },
    2,
    { error: 'The action did not produce a valid response and exited unexpectedly.' },
  ],
  ['the time limit', { outcome: 'timeout' }, 2, { error: 'The action exceeded its time limits of 500 milliseconds.' }],
  ['killed for memory', { outcome: 'out-of-memory' }, 2, { error: 'The action exhausted its memory and was aborted.' }],
  [
    'a reply over the limit',
    long,
    1,
    {
      error:
        'The action produced a response that exceeded the allowed length: 25 > 20 bytes. The truncated response was: abcde',
    },
  ],
];

const INITS: [string, ContainerReply, unknown][] = [
  ['502 with an error', answered(502, { error: 'bad' }), 'bad'],
  ['502 without one', answered(502, 'text'), 'The action failed during initialization: text'],
  ['500 with nothing', answered(500, ''), 'The action failed during initialization.'],
  ['no reply', { outcome: 'gone', reached: false }, 'The action did not initialize and exited unexpectedly.'],
  [
    'the time limit',
    { outcome: 'timeout' },
    'The action exceeded its time limits of 500 milliseconds during initialization.',
  ],
  ['killed for memory', { outcome: 'out-of-memory' }, 'The action exhausted its memory and was aborted.'],
];

describe('classifyRun', () => {
  it.each(RUNS)('gives the status and result of %s', (_name, reply, statusCode, result) => {
    expect(classifyRun(reply, limits)).toMatchObject({ statusCode, result });
  });

  it('tells the size of what the container answered', () => {
    expect(classifyRun(answered(200, { a: 1 }), limits).size).toBe(7);
    expect(classifyRun({ outcome: 'timeout' }, limits)).not.toHaveProperty('size');
  });
});

describe('classifyInit', () => {
  it('takes 200 as ready whatever the body', () => {
    expect(classifyInit(answered(200, 'anything'), limits)).toBeUndefined();
  });

  it.each(INITS)('expected failure: gives status 2 for %s', (_name, reply, error) => {
    expect(classifyInit(reply, limits)).toEqual({ statusCode: 2, result: { error } });
  });
});
