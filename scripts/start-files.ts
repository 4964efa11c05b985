import { basename } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

const START = 'start.js';

/** Where modules stand: `start` as it is written, what esbuild has split, and what a lazy file takes from `start`. */
const ENTRY = 'entry';
const SPLIT = 'split';
const SHARED = 'shared';

/**
 * Bundles the plugin itself: what it needs at once is one file, `start.cjs`, because each further file of an import graph costs a start a
 * third of a millisecond. What it imports lazily are files of their own, which take from `start` what both need.
 *
 * @param entry its module
 * @returns what each file was made of
 */
export async function bundleStart(
  entry: string,
  options: BuildOptions & { readonly outdir: string },
): Promise<Metafile['outputs']> {
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: [{ in: entry, out: 'start' }],
    // esbuild splits ESM only.
    format: 'esm',
    splitting: true,
    minify: false,
    metafile: true,
    write: false,
    outExtension: {},
  });
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
  const importsOf = (name: string): readonly string[] =>
    (outputs.get(name)?.imports ?? [])
      .filter(({ kind, external }) => kind === 'import-statement' && external !== true)
      .map(({ path }) => basename(path));
  const inside = new Set([START]);
  for (const name of inside) for (const imported of importsOf(name)) inside.add(imported);
  const outside = [...texts.keys()].filter((name) => !inside.has(name));
  const shared = [...new Set(outside.flatMap(importsOf))].filter((name) => inside.has(name));

  const files: Plugin = {
    name: 'files',
    setup(own) {
      own.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        const name = basename(path);
        if (kind === 'entry-point') return { path: name, namespace: name === START ? ENTRY : SPLIT };
        if (kind === 'import-statement' && inside.has(name))
          return { path: name, namespace: inside.has(importer) ? SPLIT : SHARED };
        return { path: texts.has(name) ? path.replace(/\.js$/, '.cjs') : path, external: true };
      });
      own.onLoad({ filter: /.*/, namespace: ENTRY }, () => ({ contents: exporting(shared) }));
      own.onLoad({ filter: /.*/, namespace: SPLIT }, ({ path }) => ({ contents: texts.get(path) ?? '' }));
      own.onLoad({ filter: /.*/, namespace: SHARED }, ({ path }) => ({
        contents: `module.exports = require('./start.cjs').shared['${path}'];`,
      }));
    },
  };
  const { plugins: _, define: __, external: ___, ...rest } = options;
  const written = await build({
    ...rest,
    entryPoints: [START, ...outside].map((name) => ({ in: name, out: basename(name, '.js') })),
    format: 'cjs',
    // By `require`: an import would load what Node.js needs for ES modules into processes that have none.
    supported: { 'dynamic-import': false },
    plugins: [files],
    metafile: true,
  });
  const madeOf = (name: string): Metafile['outputs'][string]['inputs'] => outputs.get(name)?.inputs ?? {};
  return Object.fromEntries(
    Object.entries(written.metafile.outputs).map(([path, output]) => {
      const inputs = Object.keys(output.inputs).filter((input) => input.startsWith(`${SPLIT}:`));
      return [
        path,
        {
          ...output,
          inputs: Object.assign({}, ...inputs.map((input) => madeOf(basename(input.slice(SPLIT.length + 1))))),
        },
      ];
    }),
  );
}

/** What `start` exports, and by name the modules that lazy files share with it. */
function exporting(modules: readonly string[]): string {
  const imports = modules.map((name, n) => `import * as shared${n} from './${name}';`);
  const named = modules.map((name, n) => `'${name}': shared${n}`);
  return `export * from './${START}';\n${imports.join('\n')}\nexport const shared = { ${named.join(', ')} };\n`;
}
