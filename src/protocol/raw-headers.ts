/**
 * The value of a header as it came, without building the object of all headers, which the application may never ask for.
 *
 * @param rawHeaders names and values in turn, as Node.js has them
 * @param name in lower case
 */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const at = indexOfHeader(rawHeaders, name);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

/** Takes it out of a list that nothing else counts on, however often it came. */
export function dropHeader(rawHeaders: string[], name: string): void {
  for (let at = indexOfHeader(rawHeaders, name); at >= 0; at = indexOfHeader(rawHeaders, name))
    rawHeaders.splice(at, 2);
}

/** Where the name stands; -1: nowhere. */
export function indexOfHeader(rawHeaders: readonly string[], name: string): number {
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) return n;
  return -1;
}
