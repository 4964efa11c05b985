import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { dirname } from 'node:path';
import type { Guard } from '../guard.ts';
import { readLinked } from '../io/small-file.ts';
import { objectIn } from '../json.ts';

/** Published after each `require`, and after each `import` of a CommonJS package, whose id is then its file. */
const REQUIRED = 'tracing:module.require:end';

/** The message of Node.js on that channel. */
interface Required {
  readonly id: string;
  /** The requiring file; undefined for an ES module. */
  readonly parentFilename: string | undefined;
}

/** A copy of a package that has finished loading. */
export interface LoadedPackage {
  readonly exports: unknown;
  /** From its package.json; empty when that has none. */
  readonly version: string;
  /** Its main file. */
  readonly file: string;
}

/** The module, loaded when needed: this file is preloaded into every version of Node.js. */
function nodeModule(): typeof import('node:module') {
  return process.getBuiltinModule('node:module');
}

/**
 * Calls `seen` once for each copy of a CommonJS package that the application loads, or has loaded already. A copy under an alias
 * is found when the alias contains the last part of the name, as `grpc-js-1.10` does of `@grpc/grpc-js`. A copy inside a bundle
 * is not found. For every other module the cost is one search in its id.
 *
 * @returns a function that ends it
 */
export function onPackage(name: string, guard: Guard, seen: (loaded: LoadedPackage) => void): () => void {
  const part = name.slice(name.lastIndexOf('/') + 1);
  const { createRequire, findPackageJSON } = nodeModule();
  const { cache } = createRequire(import.meta.filename);
  /** Files that were checked; each is loaded. */
  const known = new Set<string>();
  const look = (file: string): void => {
    const module = cache[file];
    // The exports of a half-loaded package are not read, because Node.js would warn the application of a circular dependency.
    if (known.has(file) || module?.loaded !== true) return;
    known.add(file);
    const path = findPackageJSON('.', file);
    const description = path === undefined ? undefined : objectIn(readLinked(path));
    if (path === undefined || description?.['name'] !== name) return;
    if (createRequire(path).resolve(dirname(path)) !== file) return;
    const { version } = description;
    seen({ exports: module.exports, version: typeof version === 'string' ? version : '', file });
  };
  const required = guard.listener(REQUIRED, (message: unknown) => {
    const { id, parentFilename } = message as Required;
    if (!id.includes(part)) return;
    const file = fileOf(id, parentFilename);
    if (file !== undefined) look(file);
  });
  subscribe(REQUIRED, required);
  const loaded = guard.listener(`the package ${name}`, look);
  for (const file of Object.keys(cache)) if (file.includes(part)) loaded(file);
  return () => void unsubscribe(REQUIRED, required);
}

/**
 * Calls `seen` once, just before the application loads that module of Node.js, or at once when it is loaded. Code that reads a function
 * of it later, also by an import of an ES module, gets the one that `seen` has installed.
 *
 * @returns a function that ends it
 */
export function onBuiltin(name: 'http2' | 'https' | 'worker_threads', guard: Guard, seen: () => void): () => void {
  const tell = guard.listener(`node:${name}`, seen);
  if (isLoaded(name)) {
    tell();
    return () => {};
  }
  let end = (): void => {};
  // Nothing else tells of a built-in module that an ES module imports.
  const hooks = nodeModule().registerHooks({
    resolve(specifier, context, next) {
      if (specifier === name || specifier === `node:${name}`) {
        end();
        tell();
      }
      return next(specifier, context);
    },
  });
  end = () => {
    end = () => {};
    hooks.deregister();
  };
  return () => end();
}

/** @returns the file of the requested package; undefined when it is unknown */
function fileOf(id: string, parentFilename: string | undefined): string | undefined {
  if (parentFilename === undefined) return id;
  try {
    return nodeModule().createRequire(parentFilename).resolve(id);
  } catch {
    // The package was not found.
    return undefined;
  }
}

/** Whether this thread has loaded that module of Node.js, by itself or for the application; true where Node.js does not tell. */
export function isLoaded(name: string): boolean {
  const { moduleLoadList } = process as { moduleLoadList?: unknown };
  return !Array.isArray(moduleLoadList) || moduleLoadList.includes(`NativeModule ${name}`);
}
