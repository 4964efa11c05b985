/** Where a command writes. */
export interface Io {
  /** Standard output: results. */
  out(text: string): void;
  /** Standard error: progress and messages. */
  err(text: string): void;
  /** Whether colours and moving lines are wanted on standard output. */
  readonly color: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

/** One command of `lossless`. */
export interface Command {
  /** The arguments after the name, for `--help`. */
  readonly usage: string;
  readonly summary: string;
  /** Resolves with the exit code: 0 yes, 1 no, 2 unknown or not understood. */
  run(args: readonly string[], io: Io): Promise<number>;
}
