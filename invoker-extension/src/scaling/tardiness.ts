export interface TardinessOptions {
  /** Share of late answers above which a group counts as late. */
  lateMax: number;
  /** Plans that are looked back on: one alone may hold too few answers to tell. */
  replacePlans: number;
}

/** Whether a group's answers came within its objective between the last plans. Pure. */
export class Tardiness {
  readonly #options: TardinessOptions;
  /** By plan, the latest last. */
  #periods: { answered: number; late: number }[] = [{ answered: 0, late: 0 }];

  constructor(options: TardinessOptions) {
    this.#options = options;
  }

  answered(late: boolean): void {
    const period = this.#periods.at(-1);
    if (period === undefined) return;
    period.answered += 1;
    if (late) period.late += 1;
  }

  /** A plan is made: what comes now belongs to the next. */
  planned(): void {
    this.#periods = [...this.#periods, { answered: 0, late: 0 }].slice(-(this.#options.replacePlans + 1));
  }

  get isLate(): boolean {
    const sum = (figure: 'answered' | 'late'): number => this.#periods.reduce((all, period) => all + period[figure], 0);
    return sum('late') > this.#options.lateMax * sum('answered');
  }
}
