import { createRequire } from 'node:module';
import type { AgentClass } from './agents.ts';
import type { BuildConnector } from './connector.ts';
import type { Handler } from './cover.ts';

/** Unexported files of the plugin's copy of undici: the whole package takes twice as long to load. */
export const PRIVATE_FILES = {
  Agent: 'undici/lib/dispatcher/agent.js',
  buildConnector: 'undici/lib/core/connect.js',
  Dispatcher1Wrapper: 'undici/lib/dispatcher/dispatcher1-wrapper.js',
} as const;

/** The used parts of the plugin's copy. */
interface Parts {
  readonly Agent: AgentClass;
  readonly buildConnector: BuildConnector;
  readonly Dispatcher1Wrapper: { wrapHandler(handler: object): Handler };
}

/**
 * Undocumented parts of undici that the plugin relies on, and the majors that have them. `test/process/undici-majors.test.ts`
 * tests each major with each of its interceptors; the plugin's copy is pinned to one version.
 */
export const RELIED_ON = [
  { majors: [5, 6, 7, 8], what: 'the symbols of the global dispatcher', where: 'lib/global.js' },
  { majors: [5, 6, 7, 8], what: 'a copy that finds none makes its own at once', where: 'lib/global.js' },
  { majors: [5, 6, 7, 8], what: 'an Agent is an EventEmitter, two classes below Dispatcher', where: 'lib/dispatcher/' },
  { majors: [5, 6, 7, 8], what: '`connect` and `factory` of an Agent', where: 'lib/dispatcher/agent.js' },
  { majors: [5, 6, 7, 8], what: 'all but composed dispatchers have one `dispatch`', where: 'lib/dispatcher-base.js' },
  {
    majors: [5, 6, 7, 8],
    what: 'symbols of a dispatcher by their names: options, connections, connector, url, close, destroy',
    where: 'lib/core/symbols.js',
  },
  { majors: [5, 6, 7], what: 'handlers with onConnect, onHeaders, onData, onComplete', where: 'lib/api/' },
  { majors: [5, 6], what: '`maxRedirections` of a request', where: 'lib/interceptor/redirectInterceptor.js' },
  { majors: [6, 7, 8], what: 'the name of the dispatch of interceptors.dns()', where: 'lib/interceptor/dns.js' },
  {
    majors: [8],
    what: 'the wrapper of the legacy symbol, by its name',
    where: 'lib/dispatcher/dispatcher1-wrapper.js',
  },
  { majors: [8], what: 'our own copy: files that it does not export', where: Object.values(PRIVATE_FILES).join(', ') },
] as const;

/** The plugin's copy, loaded with the first request to a service. */
export class UndiciParts {
  readonly #require = createRequire(import.meta.filename);

  get Agent(): Parts['Agent'] {
    return this.#require(PRIVATE_FILES.Agent);
  }

  get buildConnector(): Parts['buildConnector'] {
    return this.#require(PRIVATE_FILES.buildConnector);
  }

  /** A handler for the plugin's copy. */
  wrap(handler: Handler): Handler {
    const { wrapHandler } = this.#require(PRIVATE_FILES.Dispatcher1Wrapper) as Parts['Dispatcher1Wrapper'];
    return wrapHandler(handler);
  }
}
