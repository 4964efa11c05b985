import { afterEach } from 'vitest';

/** A thing that is closed after a test. */
export interface Closable {
  close(): Promise<void>;
}

/** Call once at the top of a test file: things started through it are closed after each test, the last first. */
export function useClosing(): <T extends Closable>(starting: Promise<T>) => Promise<T> {
  const started: Closable[] = [];
  afterEach(async () => {
    for (const each of started.splice(0).reverse()) await each.close();
  });
  return async (starting) => {
    const each = await starting;
    started.push(each);
    return each;
  };
}
