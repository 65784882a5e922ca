import { compareAnswers, unsteadyOutputs, worst } from '../../../../bench/src/conformance/compare';
import type { Answer, RunReport, WireTensor } from '../../../../bench/src/conformance/work';

const LOAD = { inputNames: ['x'], outputNames: ['y'] };

function floats(...values: number[]): WireTensor {
  const data = Buffer.from(Float32Array.from(values).buffer).toString('base64');
  return { type: 'float32', dims: [values.length], data, array: 'Float32Array' };
}

const run = (y: WireTensor): RunReport => ({ outputs: { y }, unchanged: true });
const failure = (message: string, name = 'Error') => ({ error: { class: name, message } });

function reported(alone: RunReport[], joined: RunReport[] = []): Answer {
  return { outcome: 'reported', report: { load: LOAD, alone, joined, released: {} } };
}

const refused = (message: string, name?: string): Answer => ({
  outcome: 'reported',
  report: { load: failure(message, name) },
});
const CRASH: Answer = { outcome: 'crashed', detail: 'gone' };
const HANG: Answer = { outcome: 'hung', detail: 'no answer in time' };

describe('the verdict on a model', () => {
  const sound = reported([run(floats(1, 2))]);

  it.each<[string, Answer, Answer, string]>([
    ['equal results', sound, sound, 'equal'],
    ['another last bit', reported([run(floats(1, 2.0000002))]), sound, 'differ'],
    ['another shape', reported([run({ ...floats(1, 2), dims: [2, 1] })]), sound, 'differ'],
    ['another class of array', reported([run({ ...floats(1, 2), array: 'Uint8Array' })]), sound, 'differ'],
    ['a missing run', reported([]), sound, 'differ'],
    ['an error here', reported([failure('no')]), sound, 'refusedByOursOnly'],
    ['an error there', sound, reported([failure('no')]), 'refusedByStockOnly'],
    ['no load here', refused('no'), sound, 'refusedByOursOnly'],
    ['no load there', sound, refused('no'), 'refusedByStockOnly'],
    ['the same refusal', refused('no'), refused('no'), 'refusedAlike'],
    ['another text', refused('no!'), refused('no'), 'differ'],
    ['another class', refused('no', 'TypeError'), refused('no'), 'differ'],
    ['a crash here', CRASH, sound, 'crashed'],
    ['a hang here', HANG, sound, 'crashed'],
    ['a crash there', sound, CRASH, 'refusedByStockOnly'],
    ['a crash of both', CRASH, CRASH, 'refusedAlike'],
    ['a crash here where stock refuses', CRASH, refused('no'), 'crashed'],
  ])('%s', (_name, ours, stock, verdict) => {
    expect(compareAnswers(ours, stock).verdict).toBe(verdict);
  });

  it('fed data that was changed differs', () => {
    const changed: RunReport = { outputs: { y: floats(1, 2) }, unchanged: false };
    expect(compareAnswers(reported([changed]), sound).verdict).toBe('differ');
  });

  it('joined runs agree within what batching promises, and no further', () => {
    const single = reported([], [run(floats(1, 1000))]);
    expect(compareAnswers(reported([], [run(floats(1.0000001, 1000))]), single).verdict).toBe('equal');
    expect(compareAnswers(reported([], [run(floats(1.5, 1000))]), single).verdict).toBe('differ');
  });

  it('names the first element that is not equal', () => {
    const { detail } = compareAnswers(reported([run(floats(1, 3))]), sound);
    expect(detail).toBe("run 0: output 'y': [1] is 3 for 2, of 2");
  });
});

describe('outputs that plain onnxruntime does not repeat', () => {
  const stock = reported([run(floats(1, 1000))]);

  it('sums of another order are compared as joined runs are', () => {
    const unsteady = unsteadyOutputs(stock, reported([run(floats(1.0000001, 1000))]));
    expect(compareAnswers(reported([run(floats(1.0000002, 1000))]), stock, unsteady).verdict).toBe('equal');
    expect(compareAnswers(reported([run(floats(2, 1000))]), stock, unsteady).verdict).toBe('differ');
  });

  it('of random numbers type and shape are compared', () => {
    const unsteady = unsteadyOutputs(stock, reported([run(floats(7, -3))]));
    expect(compareAnswers(reported([run(floats(20, 5))]), stock, unsteady).verdict).toBe('equal');
    expect(compareAnswers(reported([run(floats(20, 5, 1))]), stock, unsteady).verdict).toBe('differ');
  });

  it('are none where all is repeated', () => {
    expect(unsteadyOutputs(stock, stock).size).toBe(0);
  });
});

it('a model is as bad as the worst of its ways', () => {
  const crash = { verdict: 'crashed', detail: 'by bytes' } as const;
  expect(worst([{ verdict: 'equal' }, crash, { verdict: 'differ' }])).toBe(crash);
  expect(worst([])).toEqual({ verdict: 'equal' });
});
