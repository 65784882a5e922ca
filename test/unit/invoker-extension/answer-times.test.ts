import { AnswerTimes } from '../../../invoker-extension/src/instances/answer-times';

/** After so many answers that took 1, 2, ... ms. */
function after(count: number): AnswerTimes {
  const times = new AnswerTimes();
  for (let tookMs = 1; tookMs <= count; tookMs += 1) times.answered(tookMs);
  return times;
}

describe('answer times', () => {
  it('are nothing before the first answer, and known after it', () => {
    expect([after(0).slowMs, after(1).slowMs]).toEqual([0, 1]);
  });

  it('tell what nine in ten do not exceed', () => {
    expect([after(8).slowMs, after(64).slowMs]).toEqual([8, 58]);
  });

  it('forget what is long ago', () => {
    const times = after(64);
    for (let answer = 0; answer < 64; answer += 1) times.answered(500);
    expect(times.slowMs).toBe(500);
    for (let answer = 0; answer < 64; answer += 1) times.answered(5);
    expect(times.slowMs).toBe(5);
  });
});
