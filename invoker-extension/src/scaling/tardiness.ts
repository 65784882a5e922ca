/** Share of late answers above which a group counts as late: the objective is that of the 99th percentile. */
const LATE_MAX = 0.01;

/** Plans that are looked back on: one alone may hold too few answers to tell. */
const PLANS = 2;

/** Whether a group's answers came within its objective between the last plans. Pure. */
export class Tardiness {
  /** By plan, the latest last. */
  #periods: { answered: number; late: number }[] = [{ answered: 0, late: 0 }];

  answered(late: boolean): void {
    const period = this.#periods.at(-1);
    if (period === undefined) return;
    period.answered += 1;
    if (late) period.late += 1;
  }

  /** A plan is made: what comes now belongs to the next. */
  planned(): void {
    this.#periods = [...this.#periods, { answered: 0, late: 0 }].slice(-(PLANS + 1));
  }

  get isLate(): boolean {
    const sum = (figure: 'answered' | 'late'): number => this.#periods.reduce((all, period) => all + period[figure], 0);
    return sum('late') > LATE_MAX * sum('answered');
  }
}
