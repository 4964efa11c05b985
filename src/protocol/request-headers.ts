import type { IncomingHttpHeaders } from 'node:http';

/** Headers that a proxy, a gateway or a sidecar adds. */
const FORWARDING =
  /^(forwarded|via|cdn-loop|(true|fastly)-client-ip|cf-.+|x-(real|client|cluster-client)-ip|x-(request|correlation)-id|x-(forwarded|original|envoy|b3|amzn|appengine|azure)(-.+)?)$/;

/** Headers that only a browser sends; a page cannot suppress those that begin with `sec-` (W3C Fetch Metadata). */
const OF_BROWSERS = /^(origin|referer|(x-)?purpose|x-moz|dnt|upgrade-insecure-requests|sec-.+)$/;

/** The name of a header that shows that a proxy has forwarded the request; undefined without one. */
export function forwardingHeader(headers: IncomingHttpHeaders): string | undefined {
  return Object.keys(headers).find((name) => FORWARDING.test(name));
}

/** The name of a header that shows that a page, or a program on behalf of one, has made the request. */
export function browserHeader(headers: IncomingHttpHeaders): string | undefined {
  return Object.keys(headers).find((name) => OF_BROWSERS.test(name));
}

/** The host of a `Host` header in small letters: without port, without the brackets of IPv6, without a dot at its end. */
export function hostOf({ host = '' }: IncomingHttpHeaders): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
