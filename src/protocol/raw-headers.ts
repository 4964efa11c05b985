/**
 * The value of a header as it came, without building the object of all headers, which the application may never ask for.
 *
 * @param rawHeaders names and values in turn, as Node.js has them
 * @param name in lower case
 */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) return rawHeaders[n + 1];
  return undefined;
}
