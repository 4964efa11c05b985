/**
 * Builds `dist/`: TypeScript to JavaScript and declarations, then what is preloaded into a service into few files, because
 * each file of an import graph costs a start half a millisecond, and the OpenTelemetry packages, loaded one by one, would
 * stall its event loop for 150 ms. What is imported lazily stays a file of its own. The notices of what is bundled are
 * written beside it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, transform } from 'esbuild';
import { lazyBuiltins } from './lazy-builtins.ts';

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
  keepNames: true,
  platform,
  format: 'esm',
  target,
  logLevel: 'warning',
} as const;

const sdk = join(src, 'trace/sdk.js');
const { metafile } = await build({
  ...common,
  entryPoints: [sdk],
  outfile: sdk,
  metafile: true,
  // Its CommonJS parts ask for built-in modules by `require`.
  banner: {
    js: "import{createRequire as lossless_require}from'node:module';const require=lossless_require(import.meta.url);",
  },
});

// What is preloaded is loaded at once, also where Node.js may not `require` ESM, so it is CommonJS. Its files are known by name.
const preloaded = {
  ...common,
  outdir: src,
  outExtension: { '.js': '.cjs' },
  plugins: [lazyBuiltins],
  define: { 'import.meta.filename': '__filename', 'import.meta.dirname': '__dirname' },
};
await build({ ...preloaded, format: 'cjs', entryPoints: [join(src, 'register.js')] });
const { metafile: startMetafile } = await build({
  ...preloaded,
  metafile: true,
  entryPoints: ['start.js', 'app-tracing.js', 'thread.js', 'index.js'].map((file) => join(src, file)),
  // Beside the entries: what a chunk imports lazily is the same path from each.
  chunkNames: '[name]-[hash]',
  // esbuild splits ESM only; each file is made CommonJS after that.
  splitting: true,
  // Dependencies of the package itself, installed beside it.
  external: Object.keys(dependencies),
  plugins: [
    lazyBuiltins,
    {
      name: 'sdk',
      setup: (own) => own.onResolve({ filter: /\/sdk\.js$/ }, () => ({ path: './trace/sdk.js', external: true })),
    },
  ],
});
for (const file of Object.keys(startMetafile.outputs)) {
  const made = await transform(readFileSync(file, 'utf8'), { minify: true, platform, target, format: 'cjs' });
  if (made.warnings.length > 0) throw new Error(`${file}: ${made.warnings.map(({ text }) => text).join('; ')}`);
  writeFileSync(file, made.code);
}

// The entries for `import`: one waits, one passes on.
await build({
  ...common,
  plugins: [lazyBuiltins],
  stdin: {
    contents: `import { started } from './register.js'; if (started !== undefined) await started;`,
    resolveDir: src,
  },
  outfile: join(src, 'register.js'),
});
writeFileSync(join(src, 'index.js'), `export * from './index.cjs';\n`);
for (const name of ['index', 'register']) writeFileSync(join(src, `${name}.d.cts`), `export * from './${name}.js';\n`);

// The page of the collector: its script with preact, for browsers, beside what it is made from.
const page = join(root, 'collector/page');
const { metafile: pageMetafile } = await build({
  metafile: true,
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

/** The licenses of the packages in a bundle, written beside it. */
function writeNotice(file: string, inputs: object): void {
  // The innermost `node_modules` of a path is that of its package: a package may have another version of its own.
  const directories = new Set(
    Object.keys(inputs).flatMap((path) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  const notices = [...directories].map((directory) => {
    const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license: string;
    };
    const text = readdirSync(directory).find((entry) => /^licen[sc]e/i.test(entry));
    return `${name} ${version} (${license})\n\n${text === undefined ? '' : readFileSync(join(directory, text), 'utf8')}`;
  });
  writeFileSync(file, [...new Set(notices)].sort().join(`\n${'-'.repeat(80)}\n\n`));
}

writeNotice(join(src, 'trace/sdk.NOTICE'), metafile.inputs);
writeNotice(join(dist, 'collector/page/main.NOTICE'), pageMetafile.inputs);

const cli = join(src, 'cli/main.js');
if (existsSync(cli)) chmodSync(cli, 0o755);
