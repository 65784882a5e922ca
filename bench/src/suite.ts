/** What every benchmark suite is. Suites import this, and never the list of them. */

/** What a suite returns: figures, ready for JSON. */
export type SuiteResult = Readonly<Record<string, unknown>>;

/** Which points of the suite `overload` are measured, as the command line says it; undefined for all of them. */
export interface PointChoice {
  /** Names, with commas. */
  functions?: string;
  /** Numbers and `recovery`, with commas. */
  loads?: string;
  /** `off` or `on`. */
  neighbour?: string;
  /** Load that counts at each point, s; of the suite `memory`, time for one fleet to grow. */
  seconds?: string;
}

export interface SuiteOptions extends PointChoice {
  /** Seconds instead of minutes: shows that everything works, and measures nothing. Not every suite has such a way. */
  quick?: boolean;
  /** Keys of the figures that are wanted, of suites that can measure some alone. All of them by default. */
  only?: readonly string[];
  /** Arrivals of suites with a load: a synthetic trace's name, or a file with one rate a line. */
  trace?: string;
  /** Of suites that measure models one by one: a file of somebody's own in place of the zoo's. */
  model?: string;
  /** Folder of profile tables in the paper's format, of suites that plan. */
  tables?: string;
  /** Of the simulated cluster; how many of them are compared; and from which number everything random follows. */
  nodes?: number;
  seeds?: number;
  seed?: number;
  /** What is started may fill so many MB. Half of what is free by default. */
  room?: number;
  /** Processes that keep a processor busy each while the relay is measured. */
  beside?: number;
  /** Suite `relay`: which of OpenWhisk's schedulers the load balancer serves. Sharding by default. */
  mode?: 'sharding' | 'fpc';
  /** What an earlier run has written, to go on from there. */
  earlier?: SuiteResult;
  /** Keeps what is known so far; called by suites that take long. */
  save?: (result: SuiteResult) => Promise<void>;
}

export interface Suite {
  /** Measures and returns figures; says on stderr what it does. */
  run(options: SuiteOptions): Promise<SuiteResult>;
}
