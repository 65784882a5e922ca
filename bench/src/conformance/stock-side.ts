import { errorMessage } from '@tetris/common';
import { StockProcess } from '../measure/stock-process';
import type { Answer, ModelReport, Side, Work } from './work';

/** Plain onnxruntime-node in a process of its own. */
export class StockSide implements Side {
  readonly #actionPath: string;
  readonly #timeoutMs: number;
  #process: StockProcess | undefined;
  #closed = false;

  constructor(actionPath: string, timeoutMs: number) {
    this.#actionPath = actionPath;
    this.#timeoutMs = timeoutMs;
  }

  async ask(work: Work): Promise<Answer> {
    if (this.#closed) throw new Error('interrupted');
    this.#process ??= new StockProcess(this.#actionPath, {}, { answerTimeoutMs: this.#timeoutMs, output: 'ignore' });
    const stock = this.#process;
    try {
      return { outcome: 'reported', report: await stock.invoke<ModelReport>(work) };
    } catch (error) {
      // The action reports every error: one that comes from elsewhere is the process's end, or its silence.
      const outcome = stock.ended ? 'crashed' : 'hung';
      await this.restart();
      return { outcome, detail: errorMessage(error) };
    }
  }

  async restart(): Promise<void> {
    const stock = this.#process;
    this.#process = undefined;
    await stock?.stop();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.restart();
  }
}
