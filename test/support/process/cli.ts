import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';

/** The published command `lossless`. */
export const CLI = fileURLToPath(new URL('../../../dist/src/cli/main.js', import.meta.url));

/** How a command ended, and what it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `lossless` to its end; rejects after two minutes. */
export async function lossless(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const child = new Child(process.execPath, [CLI, ...args], { env });
  try {
    const { code } = await child.ends(120_000);
    return { code, stdout: child.stdout, stderr: child.stderr };
  } finally {
    await child.destroy();
  }
}
