/**
 * The raw value of a header. It does not build the object of all headers, which the application may never need.
 *
 * @param rawHeaders names and values in turn, the form of Node.js
 * @param name in lower case
 */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const at = indexOfHeader(rawHeaders, name);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

/** Removes every occurrence of the header from a list that no other code relies on. */
export function dropHeader(rawHeaders: string[], name: string): void {
  for (let at = indexOfHeader(rawHeaders, name); at >= 0; at = indexOfHeader(rawHeaders, name))
    rawHeaders.splice(at, 2);
}

/** Index of the name; -1 when it is absent. */
export function indexOfHeader(rawHeaders: readonly string[], name: string): number {
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) return n;
  return -1;
}
