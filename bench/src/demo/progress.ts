import { type Bar, SingleBar } from 'cli-progress';

/** Says what is going on: a bar on a terminal, a line per step elsewhere. */
export interface Progress {
  step(text: string): void;
  stop(): void;
}

/** @param steps how many times {@link Progress.step} will be called */
export function createProgress(steps: number, stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? barProgress(steps, stream) : lineProgress(steps, stream);
}

function barProgress(steps: number, stream: NodeJS.WriteStream): Progress {
  const bar: Bar = new SingleBar({
    format: '{bar} {percentage}% | {duration_formatted} | {text}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    fps: 5,
    stream,
  });
  bar.start(steps, 0, { text: '' });
  let done = 0;
  return {
    step: (text) => {
      bar.update(Math.min(done, steps), { text });
      done += 1;
    },
    stop: () => {
      if (done >= steps) bar.update(steps, { text: 'done' });
      bar.stop();
    },
  };
}

function lineProgress(steps: number, stream: NodeJS.WriteStream): Progress {
  const startMs = performance.now();
  let done = 0;
  return {
    step: (text) => {
      done += 1;
      stream.write(`[${done}/${steps}] ${((performance.now() - startMs) / 1000).toFixed(1)} s  ${text}\n`);
    },
    stop: () => undefined,
  };
}
