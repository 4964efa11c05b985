/**
 * The value of a header as it came, without building the object of all headers, which the application may never ask for.
 *
 * @param rawHeaders names and values in turn, as Node.js has them
 * @param name in lower case
 */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const at = indexOf(rawHeaders, name);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

/** The same, and nobody after us finds it there, however often it came: an application that copies headers does not pass it on. */
export function takeHeader(rawHeaders: string[], name: string): string | undefined {
  let value: string | undefined;
  for (let at = indexOf(rawHeaders, name); at >= 0; at = indexOf(rawHeaders, name))
    value ??= rawHeaders.splice(at, 2)[1];
  return value;
}

function indexOf(rawHeaders: readonly string[], name: string): number {
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) return n;
  return -1;
}
