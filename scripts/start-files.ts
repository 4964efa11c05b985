import { basename } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

const START = 'start.js';

/** Where modules stand: `start` as it is written, what esbuild has split, and what a lazy file takes from `start`. */
const ENTRY = 'entry';
const SPLIT = 'split';
const SHARED = 'shared';

/**
 * Bundles the plugin itself: what it needs at once is one file, `start.cjs`, because each further file of an import graph costs a start a
 * third of a millisecond. What it imports lazily is one file for each import: it takes from `start` what both need, and holds a copy
 * of what only lazy files share.
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
  const exportsOf = (name: string): readonly string[] => outputs.get(name)?.exports ?? [];
  const lazy = outside.filter((name) => outputs.get(name)?.entryPoint !== undefined);

  const files: Plugin = {
    name: 'files',
    setup(own) {
      own.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        const name = basename(path);
        if (kind === 'entry-point') return { path: name, namespace: name === START ? ENTRY : SPLIT };
        if (kind === 'import-statement' && texts.has(name))
          return { path: name, namespace: inside.has(name) && !inside.has(importer) ? SHARED : SPLIT };
        return { path: texts.has(name) ? path.replace(/\.js$/, '.cjs') : path, external: true };
      });
      own.onLoad({ filter: /.*/, namespace: ENTRY }, () => ({ contents: exporting(shared, exportsOf) }));
      own.onLoad({ filter: /.*/, namespace: SPLIT }, ({ path }) => ({ contents: texts.get(path) ?? '' }));
      own.onLoad({ filter: /.*/, namespace: SHARED }, ({ path }) => ({ contents: taking(path, exportsOf(path)) }));
    },
  };
  const { plugins: _, define: __, external: ___, ...rest } = options;
  const written = await build({
    ...rest,
    entryPoints: [START, ...lazy].map((name) => ({ in: name, out: basename(name, '.js') })),
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
function exporting(modules: readonly string[], exportsOf: (name: string) => readonly string[]): string {
  const imports = modules.map((name, n) => `import * as shared${n} from './${name}';`);
  const values = (name: string, n: number): string =>
    exportsOf(name)
      .map((each) => `${each}: shared${n}.${each}`)
      .join(', ');
  const named = modules.map((name, n) => `'${name}': { ${values(name, n)} }`);
  return `export * from './${START}';\n${imports.join('\n')}\nexport const shared = { ${named.join(', ')} };\n`;
}

/** That module in a lazy file. It passes values on: of a namespace esbuild would make a copy with a getter for each export. */
function taking(module: string, exported: readonly string[]): string {
  const names = exported.join(', ');
  return `const { ${names} } = require('./start.cjs').shared['${module}'];\nexport { ${names} };\n`;
}
