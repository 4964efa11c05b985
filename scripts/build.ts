/**
 * Builds `dist/`: TypeScript to JavaScript and declarations. Then it bundles the code that is preloaded into a service into few
 * files, because each file of an import graph costs a start a third of a millisecond; lazily imported code stays in files of its own.
 * The bundles drop names of functions, because setting them costs a start 3 ms. The build also writes the notice of each bundle and
 * the SBOM of the package.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { declarationsOf } from './declarations.ts';
import { lazyBuiltins } from './lazy-builtins.ts';
import { bundledPackages, notice, packageIn, sbom } from './sbom.ts';
import { bundleStart } from './start-files.ts';

/** What applications import, each by its file in `src/`: it gets one file of declarations. */
const ENTRIES = ['index', 'register', 'registry'];

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const src = join(dist, 'src');
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object };

rmSync(dist, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  { stdio: 'inherit' },
);

const platform = 'node';
const target = 'node22.19';
const common = {
  allowOverwrite: true,
  bundle: true,
  minify: true,
  platform,
  format: 'esm',
  target,
  logLevel: 'warning',
} as const;

/** The files that esbuild has made. */
const outputs: Metafile['outputs'] = {};
async function bundle(options: BuildOptions): Promise<Metafile['outputs']> {
  const { metafile } = await build({ ...options, metafile: true });
  Object.assign(outputs, metafile.outputs);
  return metafile.outputs;
}

/** Files that stand beside what imports them: one class of errors for all, and what imports modules of others. */
const beside: Plugin = {
  name: 'beside',
  setup(own) {
    own.onResolve({ filter: /\/(errors|module\/module)\.js$/ }, ({ kind, path }) =>
      kind === 'entry-point' ? undefined : { path: `./${basename(path, '.js')}.cjs`, external: true },
    );
  },
};
// What is preloaded is loaded at once, also where Node.js may not `require` ESM, so it is CommonJS. Its files are known by name.
const preloaded = {
  ...common,
  outdir: src,
  outExtension: { '.js': '.cjs' },
  plugins: [lazyBuiltins, beside],
  // Dependencies of the package itself, installed beside it.
  external: Object.keys(dependencies),
  define: { 'import.meta.filename': '__filename', 'import.meta.dirname': '__dirname' },
};
await bundle({ ...preloaded, format: 'cjs', plugins: [lazyBuiltins], entryPoints: [join(src, 'register.js')] });
await bundle({
  ...preloaded,
  format: 'cjs',
  entryPoints: ['errors', 'index', 'registry', 'registry/module/module', 'plugin/app-tracing', 'plugin/thread'].map(
    (entry) => ({
      in: join(src, `${entry}.js`),
      out: basename(entry),
    }),
  ),
});
Object.assign(
  outputs,
  // Beside the entries: what a chunk imports lazily is the same path from each.
  await bundleStart(join(src, 'plugin/start.js'), { ...preloaded, chunkNames: '[name]-[hash]' }),
);

// The entries for `import`: one waits, one passes on.
await bundle({
  ...common,
  plugins: [lazyBuiltins],
  stdin: {
    contents: `import { started } from './register.js'; if (started !== undefined) await started;`,
    resolveDir: src,
  },
  outfile: join(src, 'register.js'),
});
for (const name of ['index', 'registry']) writeFileSync(join(src, `${name}.js`), `export * from './${name}.cjs';\n`);

const declarations = await Promise.all(ENTRIES.map((name) => declarationsOf(join(src, `${name}.d.ts`))));
for (const file of globSync('**/*.d.ts', { cwd: dist })) rmSync(join(dist, file));
for (const [n, name] of ENTRIES.entries()) {
  writeFileSync(join(src, `${name}.d.ts`), declarations[n] ?? '');
  writeFileSync(join(src, `${name}.d.cts`), `export * from './${name}.js';\n`);
}

// The page of the collector: its script with preact, for browsers, beside what it is made from.
const page = join(root, 'collector/page');
await bundle({
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
  legalComments: 'none',
  loader: { '.html': 'copy', '.svg': 'copy' },
  entryPoints: ['main.tsx', 'style.css', 'index.html', 'icon.svg'].map((file) => join(page, file)),
  outdir: join(dist, 'collector/page'),
  tsconfig: join(page, 'tsconfig.json'),
});

const bundled = bundledPackages(outputs);
for (const [file, packages] of bundled) writeFileSync(file.replace(/\.\w+$/, '.NOTICE'), notice(packages));
const installed = Object.keys(dependencies).map((name) => packageIn(join(root, 'node_modules', name)));
writeFileSync(join(dist, 'sbom.cdx.json'), `${JSON.stringify(sbom(packageIn(root), installed, bundled), null, 2)}\n`);

const cli = join(src, 'cli/main.js');
if (existsSync(cli)) chmodSync(cli, 0o755);
