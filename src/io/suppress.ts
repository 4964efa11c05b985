/** Global symbol under which every copy of `@opentelemetry/api` 1.x keeps its globals. */
const API = Symbol.for('opentelemetry.js.api.1');

/** The context key that instrumentations check (`@opentelemetry/core`, suppress-tracing). */
const SUPPRESSED = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

interface Context {
  setValue(key: symbol, value: unknown): Context;
}

interface ContextManager {
  active(): Context;
  with<T>(context: Context, run: () => T): T;
}

/**
 * Runs `run` so that the application's own instrumentation makes no spans and adds no headers. It uses the application's context
 * manager through its global, because a copy of the API of another minor version would silently do nothing.
 */
export function suppressTracing<T>(run: () => T): T {
  const manager = (globalThis as { [API]?: { context?: ContextManager } })[API]?.context;
  if (manager === undefined) return run();
  return manager.with(manager.active().setValue(SUPPRESSED, true), run);
}
