/** The watches of one registry, which all end with the registry. */
export class Watches {
  readonly #running = new Set<AbortController>();
  #isClosed = false;

  /**
   * Begins a watch. Resolves, when `begin` has, with a function that ends the watch.
   *
   * @param begin runs until `signal` is aborted
   * @throws the error of `begin`; the watch has then ended
   */
  async begin(begin: (signal: AbortSignal) => void | Promise<void>): Promise<() => void> {
    const ending = new AbortController();
    const end = (): void => {
      ending.abort();
      this.#running.delete(ending);
    };
    this.#running.add(ending);
    if (this.#isClosed) end();
    try {
      await begin(ending.signal);
    } catch (thrown) {
      end();
      throw thrown;
    }
    return end;
  }

  close(): void {
    this.#isClosed = true;
    for (const ending of this.#running) ending.abort();
    this.#running.clear();
  }
}
