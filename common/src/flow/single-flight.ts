/** Makes one job of the same thing wanted by several at a time. Keeps nothing beyond the job's end. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** The job under way for a key, or a new one; whoever joins gets its outcome, a failure too. */
  run(key: string, job: () => Promise<T>): Promise<T> {
    const known = this.#flights.get(key);
    if (known !== undefined) return known;
    const flight = job().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }
}
