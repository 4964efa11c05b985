import type { Options } from './cover.ts';

/** Marks a request with a decided way, because dispatchers of undici pass requests on to each other. */
const ROUTED = Symbol('lossless.routed');

type Marked = Options & { readonly [ROUTED]?: true };

export function isRouted(options: Options): boolean {
  return (options as Marked | undefined)?.[ROUTED] === true;
}

/** A marked copy with these changes. */
export function routed(options: Options, changes?: Pick<Options, 'headers' | 'origin'>): Options {
  const marked: Marked = { ...options, ...changes, [ROUTED]: true };
  return marked;
}

/** A copy without the mark. */
export function unrouted(options: Options): Options {
  const { [ROUTED]: _, ...rest } = options as Marked;
  return rest;
}
