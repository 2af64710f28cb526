/** Keeps a process under constant load while it is measured: each caller sends its next request as soon as the previous one is answered. */
export class SteadyLoad {
  readonly #callers: Promise<unknown>;
  #answered = 0;
  #ended = false;
  #wake: (() => void) | null = null;

  constructor(callers: number, ask: () => Promise<unknown>) {
    const call = async (): Promise<void> => {
      while (!this.#ended) {
        await ask();
        this.#answered += 1;
        this.#wake?.();
      }
    };
    this.#callers = Promise.all(Array.from({ length: callers }, call));
  }

  /** Waits for at least `count` more answers. @returns how many arrived @throws the error with which a caller failed */
  async answered(count: number): Promise<number> {
    const before = this.#answered;
    while (this.#answered - before < count) {
      await Promise.race([
        this.#callers,
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      ]);
    }
    return this.#answered - before;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#callers;
  }
}
