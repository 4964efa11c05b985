/**
 * Builds `dist/`: TypeScript to JavaScript, then the OpenTelemetry SDK and what uses it into one file, because loading its
 * packages one by one stalls a service's event loop for 150 ms. The notices of what is bundled are written beside it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const bundle = join(dist, 'src/trace/sdk.js');

rmSync(dist, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  { stdio: 'inherit' },
);

const { metafile } = await build({
  entryPoints: [bundle],
  outfile: bundle,
  allowOverwrite: true,
  bundle: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.19',
  metafile: true,
  logLevel: 'warning',
  // Its CommonJS parts ask for built-in modules by `require`.
  banner: {
    js: "import{createRequire as lossless_require}from'node:module';const require=lossless_require(import.meta.url);",
  },
});
rmSync(`${bundle}.map`, { force: true });

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []),
);
const notices = [...packages].sort().map((name) => {
  const directory = join(root, 'node_modules', name);
  const { version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    version: string;
    license: string;
  };
  const file = readdirSync(directory).find((entry) => /^licen[sc]e/i.test(entry));
  return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(directory, file), 'utf8')}`;
});
writeFileSync(join(dist, 'src/trace/sdk.NOTICE'), notices.join(`\n${'-'.repeat(80)}\n\n`));

const cli = join(dist, 'src/cli/main.js');
if (existsSync(cli)) chmodSync(cli, 0o755);
