import { valueOf } from '@tetris/common';
import { type Execution, ranRecord } from '../../../invoker-extension/src/messages/record';
import { aMessage, aStoredAction } from '../../support/invoker';

const STARTED_MS = 1_767_225_600_000;

/** What the record of an activation that took from 10 to 60 ms says in `tetris`. */
function toldOf(execution: Execution, kind = 'nodejs:tetris'): unknown {
  const action = { ...aStoredAction(), revision: '1' };
  const job = {
    message: aMessage(),
    action: { ...action, exec: { ...action.exec, kind } },
    arrivedMs: STARTED_MS + 5,
    startedMs: STARTED_MS,
  };
  const span = { startMs: STARTED_MS + 10, endMs: STARTED_MS + 60 };
  const response = { statusCode: 0 as const, result: {} };
  return valueOf(ranRecord(job, { response, span, timedOut: false, execution }).annotations, 'tetris');
}

describe('ranRecord', () => {
  const inference = { waitedMs: 12, requests: 0, executionMs: 30, batch: 4 };

  it('says how an activation was run: age of its instance, batch, times, and whether the objective was met', () => {
    const run = { instanceAgeMs: 1500.4, sloMs: 60, inference };
    expect(toldOf(run)).toEqual({ instanceAgeMs: 1500, batch: 4, queueMs: 12, runMs: 30, objectiveMet: true });
    expect(toldOf({ ...run, sloMs: 59 })).toMatchObject({ objectiveMet: false });
  });

  it('leaves out what there was not: a model, an objective', () => {
    expect(toldOf({ instanceAgeMs: 0 })).toEqual({ instanceAgeMs: 0 });
  });

  it('adds nothing to the records of other kinds', () => {
    expect(toldOf({ instanceAgeMs: 1, inference }, 'nodejs:20')).toBeUndefined();
  });
});
