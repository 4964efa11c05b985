/** Longest wait, in milliseconds: generous, because test machines are busy. */
export const PATIENCE_MS = 30_000;

/** Resolves when `holds` returns true, checked every 10 ms; rejects after `withinMs`. For conditions without an event. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() >= deadline) throw new Error(`${holds} did not hold within ${withinMs} ms`);
    await pause(10);
  }
}

/** Lets real time pass. Only for tests that hold on a slow machine too, and for loads. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
