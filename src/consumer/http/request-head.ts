import type { ClientRequest } from 'node:http';

/** A request with the undocumented parts that hold its head once it is text (`headers` as a list, `Expect`, a late list). */
type Written = ClientRequest & {
  _header: string | null;
  readonly _headerSent: boolean;
  readonly outputData: { data: unknown }[];
};

/**
 * Sets a header in the form in which the application gave its headers, and replaces its value of this name. Undefined removes it.
 */
export function setRequestHeader(request: ClientRequest, name: string, value: string | undefined): void {
  if ((request as Written)._header !== null) {
    const line = value === undefined ? '' : `\r\n${name}: ${value}`;
    rewriteHead(request, (head) => head.replace('\r\n', `${line}\r\n`), [name]);
  } else if (value === undefined) request.removeHeader(name);
  else request.setHeader(name, value);
}

/** Rewrites a head that is text: removes the lines of some headers and adds others. */
export function rewriteHead(
  request: ClientRequest,
  change: (head: string) => string,
  without: readonly string[],
): void {
  const written = request as Written;
  const rewrite = (text: string): string => {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return text;
    const lines = text.slice(0, end + 2).split('\r\n');
    const kept = lines.filter((line) => !without.some((name) => line.toLowerCase().startsWith(`${name}:`)));
    return change(kept.join('\r\n')) + text.slice(end + 2);
  };
  const first = written.outputData[0];
  if (!written._headerSent && written._header !== null) written._header = rewrite(written._header);
  else if (typeof first?.data === 'string') first.data = rewrite(first.data);
}
