import { builtinModules, createRequire } from 'node:module';
import type { Plugin } from 'esbuild';

const require = createRequire(import.meta.url);

/**
 * Built-in modules are loaded when a function of theirs is first called. Importing `node:crypto`, `node:zlib` and the like for
 * a file that needs them seldom costs every start of a service 2 to 6 ms and as many MiB. Classes and constants are taken at once.
 */
export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, importer, kind }) =>
      kind === 'import-statement' && importer.includes('/dist/') && builtinModules.includes(path.slice('node:'.length))
        ? { path, namespace: 'lazy-builtin', sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'lazy-builtin' }, ({ path }) => ({
      contents: forwarding(path),
      loader: 'js',
    }));
  },
};

/** A module with the same exports as the built-in one. */
function forwarding(path: string): string {
  const names = Object.entries(require(path) as object).filter(
    ([name]) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default',
  );
  const exported = names.map(([name, value]) =>
    typeof value === 'function' && /^[a-z]/.test(name)
      ? `export const ${name} = (...args) => load().${name}(...args);`
      : `export const ${name} = /* @__PURE__ */ (() => process.getBuiltinModule('${path}').${name})();`,
  );
  return `let loaded;\nconst load = () => (loaded ??= process.getBuiltinModule('${path}'));\n${exported.join('\n')}\n`;
}
