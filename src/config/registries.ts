import type { Parser } from './parsers.ts';

/** Schemes of registries, in the order of the documentation. */
export const REGISTRY_SCHEMES = [
  'file:',
  'memory:',
  'consul:',
  'etcd:',
  'nacos:',
  'eureka:',
  'kubernetes:',
  'zookeeper:',
] as const;

/** Option of a URL of any other scheme: the module that knows that registry. */
export const MODULE = 'module';

/** Most registries at a time. */
const MOST = 4;

/** Longest URL, in characters. */
const LONGEST = 2_048;

/** A comma before the next registry: in `host:port`, the next server of the same one, digits follow the colon. */
const NEXT = /,(?=\s*[a-z][a-z0-9+.-]*:(?!\d))/i;

const RULE = `a URL beginning with ${REGISTRY_SCHEMES.join(' or ')}, one of another scheme with ${MODULE}=, or at most ${MOST} of them separated by commas`;

/** The registries: one URL, or several of them; `scheme://a:1,b:2` names two servers of one registry. */
export const registryUrls: Parser<readonly URL[]> = Object.assign(
  (text: string): readonly URL[] => {
    const parts = text.split(NEXT).map((part) => part.trim());
    const urls = parts.flatMap((part) => registryUrl(part) ?? []);
    if (urls.length < parts.length || urls.length > MOST) throw new Error(`must be ${RULE}`);
    return urls;
  },
  { rule: RULE },
);

/** Further servers become `server` options: a URL has one host. */
function registryUrl(text: string): URL | undefined {
  const [, start = '', hosts = '', rest = ''] =
    /^([a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?)([^/?#]*,[^/?#]*)(.*)$/is.exec(text) ?? [];
  const [first = '', ...further] = hosts.split(',');
  const url = text.length > LONGEST ? null : URL.parse(hosts === '' ? text : `${start}${first}${rest}`);
  if (url === null || !(REGISTRY_SCHEMES.some((scheme) => scheme === url.protocol) || url.searchParams.get(MODULE)))
    return undefined;
  for (const server of further) url.searchParams.append('server', server);
  return url;
}
