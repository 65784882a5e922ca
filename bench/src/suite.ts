/** What every benchmark suite is. Suites import this, and never the list of them. */

/** What a suite returns: figures, ready for JSON. */
export type SuiteResult = Readonly<Record<string, unknown>>;

export interface SuiteOptions {
  /** Seconds instead of minutes: shows that everything works, and measures nothing. Not every suite has such a way. */
  quick?: boolean;
  /** Keys of the figures that are wanted, of suites that can measure some alone. All of them by default. */
  only?: readonly string[];
  /** Arrivals of suites with a load: a synthetic trace's name, or a file with one rate a line. */
  trace?: string;
}

export interface Suite {
  /** Measures and returns figures; says on stderr what it does. */
  run(options: SuiteOptions): Promise<SuiteResult>;
}
