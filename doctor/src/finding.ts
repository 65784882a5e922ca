/** What every check says. Pure. */

/** Every check, with what it looks at. The names are part of the interface: automation reads them. */
export const CHECKS = {
  settings: 'Settings that a component would refuse at its start',
  'store-mount': "The store is a memory file system of its own, mounted before the daemon's start",
  'store-size': 'The store and the instances fit into the memory of the node',
  'daemon-sockets': 'The daemon answers at both sockets, and containers are given one of them only',
  'container-socket': 'A container reaches the daemon',
  'container-views': "A container sees the daemon's views: the same file system, read-only, not to be listed",
  onnxruntime: 'The daemon and the action image have the same onnxruntime',
  'cpu-features': 'What the daemon stores is made for the CPU that containers run on',
  kafka: 'A broker answers',
  'topic-prefix': 'All sides mean the same topics, and the two sides are apart',
  topics: 'The topics are there',
  'topic-size': 'The topics take the longest message',
  'invoker-ids': 'Invoker ids are dense from 0',
  redis: 'The registry answers',
  clock: 'Clocks agree',
  couch: 'The entity database answers',
  etcd: "The schedulers' etcd answers",
  'spi-classes': 'OpenWhisk runs the classes that the load balancer works with',
  limits: 'Controllers allow no more than invoker extensions do',
  manifest: 'Controllers and invokers have the same manifest, and the kind is in it',
} as const;

export type CheckName = keyof typeof CHECKS;

export interface Finding {
  check: CheckName;
  /** `skipped`: it was not told what it needs, which `found` names. */
  status: 'well' | 'wrong' | 'skipped';
  /** What was seen, with names and numbers. */
  found: string;
  /** What to do; with `wrong` only. */
  mend?: string;
}

export const well = (check: CheckName, found: string): Finding => ({ check, status: 'well', found });
export const wrong = (check: CheckName, found: string, mend: string): Finding => ({
  check,
  status: 'wrong',
  found,
  mend,
});
export const skipped = (check: CheckName, found: string): Finding => ({ check, status: 'skipped', found });

/** Something that was asked, or why there is no answer. */
export type Answer<T> = { value: T } | { problem: string };

/** @param ask is not called before; whatever it throws is the problem */
export async function answerOf<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message || error.name : String(error) };
  }
}
