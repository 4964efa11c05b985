/** Longest wait, in milliseconds: generous, as machines that run tests are busy. */
export const PATIENCE_MS = 30_000;

/** Resolves when `holds` does, asking every 10 ms; rejects after `withinMs`. For what no event tells. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() >= deadline) throw new Error(`${holds} did not hold within ${withinMs} ms`);
    await pause(10);
  }
}

/** Lets real time pass. What is waited for by it holds on a slow machine too, or is no more than a load. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
