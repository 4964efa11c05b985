/** The environment of this process: the one place beside `enabled.ts` that reads it. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}
