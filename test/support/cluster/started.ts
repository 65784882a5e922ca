interface Startable {
  logs(): string;
  stop(): Promise<void>;
}

/** @throws with the logs of the parts where one does not start; nothing is left running then */
export async function started<T extends Startable>(cluster: T, start: () => Promise<void>): Promise<T> {
  try {
    await start();
    return cluster;
  } catch (error) {
    const logs = cluster.logs();
    await cluster.stop();
    throw new Error(`the cluster did not start\n${logs}`, { cause: error });
  }
}
