import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { REGISTER } from '../test/support/process/plugin-env.ts';
import { type Benchmark, quantile, type Row, reached } from './row.ts';

const EMPTY = `data:text/javascript,`;
const RUNS = 25;

/** Modules that must not be loaded early. */
const HEAVY = /\/(undici|start\.cjs|node_modules\/@opentelemetry)/;

const PROGRAM = `console.log(JSON.stringify({ ms: performance.now(), rss: process.memoryUsage.rss() / 1048576 }))`;

function start(preload: string, enabled: boolean): { readonly ms: number; readonly rss: number } {
  const env = { PATH: process.env['PATH'] ?? '', LOSSLESS_SERVICE: 'a', ...(enabled && { LOSSLESS_ENABLED: 'true' }) };
  return JSON.parse(execFileSync(process.execPath, [`--import=${preload}`, '-e', PROGRAM], { env, encoding: 'utf8' }));
}

function heavyModules(): readonly string[] {
  const trace = `import { registerHooks } from 'node:module'; registerHooks({ load(url, context, next) { if (url.startsWith('file:')) process.stderr.write(url + '\\n'); return next(url, context); } });`;
  const env = { PATH: process.env['PATH'] ?? '', LOSSLESS_SERVICE: 'a', LOSSLESS_ENABLED: 'true' };
  const loaded = execFileSync(
    '/bin/sh',
    [
      '-c',
      `"$0" "--import=data:text/javascript,${encodeURIComponent(trace)}" "--import=${REGISTER}" -e 0 2>&1`,
      process.execPath,
    ],
    { env, encoding: 'utf8' },
  );
  return loaded
    .split('\n')
    .filter((line) => HEAVY.test(line))
    .map((line) => fileURLToPath(line));
}

export const preload: Benchmark = {
  title: 'Preloading the plugin',
  how: `Time from the start of the process until the program begins, and memory at that moment: median of ${RUNS} alternating runs, less that of an empty preload.`,
  async run() {
    const cases = { empty: [EMPTY, true], off: [REGISTER, false], on: [REGISTER, true] } as const;
    const measured: Record<keyof typeof cases, { ms: number[]; rss: number[] }> = {
      empty: { ms: [], rss: [] },
      off: { ms: [], rss: [] },
      on: { ms: [], rss: [] },
    };
    for (let run = 0; run < RUNS; run++)
      for (const [name, [file, enabled]] of Object.entries(cases) as [
        keyof typeof cases,
        readonly [string, boolean],
      ][]) {
        const { ms, rss } = start(file, enabled);
        measured[name].ms.push(ms);
        measured[name].rss.push(rss);
      }
    const over = (name: keyof typeof cases, what: 'ms' | 'rss'): number =>
      quantile(measured[name][what], 0.5) - quantile(measured.empty[what], 0.5);
    const heavy = heavyModules();
    const rows: Row[] = [
      {
        what: 'plugin disabled',
        measured: `${over('off', 'ms').toFixed(1)} ms, ${over('off', 'rss').toFixed(1)} MiB`,
        against: '',
      },
      {
        what: 'plugin enabled',
        measured: `${over('on', 'ms').toFixed(1)} ms, ${over('on', 'rss').toFixed(1)} MiB`,
        against: `${reached(over('on', 'ms') <= 10, '≤ 10 ms')}; ${reached(over('on', 'rss') <= 5, '≤ 5 MiB')}`,
      },
      {
        what: 'code of the plugin, undici',
        measured: heavy.length === 0 ? 'not loaded' : heavy.join(', '),
        against: reached(heavy.length === 0, 'loaded only when needed'),
      },
    ];
    return rows;
  },
};
