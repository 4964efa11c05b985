/** Requests at a time. */
export const CONCURRENCY = 16;

/** CPU microseconds per request of this process while `one` runs `requests` times. */
export async function slice(
  requests: number,
  one: () => Promise<void>,
  atATime: number = CONCURRENCY,
): Promise<number> {
  const begun = process.cpuUsage();
  let left = requests;
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      while (left-- > 0) await one();
    }),
  );
  const { system, user } = process.cpuUsage(begun);
  return (user + system) / requests;
}
