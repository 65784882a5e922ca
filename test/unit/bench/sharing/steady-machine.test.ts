import { onSteadyMachine } from '../../../../bench/src/sharing/steady-machine';

/** Measurements on a machine of these speeds, one after the other. */
function onMachines(...speeds: number[]): () => Promise<{ machineSpeed: number; figure: number }> {
  let figure = 0;
  return () => Promise.resolve({ machineSpeed: speeds[figure] ?? NaN, figure: (figure += 1) });
}

describe('onSteadyMachine', () => {
  it('measures once where the machine is fast enough, faster included', async () => {
    expect(await onSteadyMachine(3, onMachines(0.9))).toEqual({ machineSpeed: 0.9, figure: 1, tries: 1 });
    expect(await onSteadyMachine(3, onMachines(1.8))).toEqual({ machineSpeed: 1.8, figure: 1, tries: 1 });
  });

  it('measures again while the machine is slow, and takes the first that counts', async () => {
    expect(await onSteadyMachine(3, onMachines(0.5, 0.95, 1.2))).toEqual({ machineSpeed: 0.95, figure: 2, tries: 2 });
  });

  it('takes the try with the fastest machine where none counts', async () => {
    expect(await onSteadyMachine(3, onMachines(0.6, 0.8, 0.7))).toEqual({ machineSpeed: 0.8, figure: 2, tries: 3 });
    expect(await onSteadyMachine(1, onMachines(0.6))).toEqual({ machineSpeed: 0.6, figure: 1, tries: 1 });
  });

  it('expected failure: a measurement that fails is not repeated', async () => {
    let tries = 0;
    const failing = (): Promise<never> => {
      tries += 1;
      return Promise.reject(new Error('no answer'));
    };
    await expect(onSteadyMachine(3, failing)).rejects.toThrow('no answer');
    expect(tries).toBe(1);
  });
});
