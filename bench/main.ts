/**
 * `npm run bench [name …] [-- --only TEXT]`: measures, prints, and writes the measured sections of docs/benchmarks.md; of benchmarks of
 * gRPC only the rows whose name contains that text.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { collector } from './collector.ts';
import { cost } from './cost.ts';
import { failures } from './failures.ts';
import { fanout } from './fanout.ts';
import { grpcAddress, grpcList, grpcName } from './grpc.ts';
import { grpcCost } from './grpc-cost.ts';
import { page } from './page.ts';
import { preconnect } from './preconnect.ts';
import { preload } from './preload.ts';
import { registries } from './registries.ts';
import { requests } from './requests.ts';
import type { Benchmark, Row } from './row.ts';
import { stall } from './stall.ts';
import { start } from './start.ts';
import { stopSending } from './stop-sending.ts';
import { trace } from './trace.ts';
import { verify } from './verify.ts';
import { warmup } from './warmup.ts';

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  failures,
  fanout,
  'stop-sending': stopSending,
  cost,
  requests,
  preload,
  start,
  stall,
  trace,
  collector,
  page,
  warmup,
  preconnect,
  verify,
  registries,
  'grpc-list': grpcList,
  'grpc-address': grpcAddress,
  'grpc-name': grpcName,
  'grpc-cost': grpcCost,
};

const PAGE = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));

const MACHINE = `Measured on ${availableParallelism()} cores, Node.js ${process.versions.node}, ${process.platform}, loopback.`;

const {
  positionals: wanted,
  values: { only },
} = parseArgs({ allowPositionals: true, options: { only: { type: 'string', default: '' } } });
const [head = '', ...written] = readFileSync(PAGE, 'utf8').split(/^## /m);
const sections = new Map(
  written.map((section) => [section.slice(0, section.indexOf('\n')), `## ${section.trimEnd()}\n`]),
);
for (const [name, { columns, how, run, title }] of Object.entries(BENCHMARKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n${title}`);
  const rows = await run(only);
  for (const row of rows) console.log(`  ${row.what}: ${row.measured}${row.against && ` (${row.against})`}`);
  if (rows.length === 0) continue;
  const former = only === '' ? undefined : sections.get(title);
  const repeat = `Repeat: \`npm run bench ${name}\`. ${MACHINE}`;
  sections.set(title, `## ${title}\n\n${how}\n\n${repeat}\n\n${table(rows, columns, former)}\n`);
}
const inOrder = Object.values(BENCHMARKS).flatMap(({ title }) => sections.get(title) ?? []);
writeFileSync(PAGE, `${head}${inOrder.join('\n')}`);
process.exit();

/** @param former a section whose other rows are kept, in their order; undefined: none */
function table(
  rows: readonly Row[],
  columns: readonly string[] = ['what', 'measured', 'target'],
  former?: string,
): string {
  const lineOf = ({ what, measured, against }: Row): string => `| ${what} | ${measured} | ${against} |`;
  const added = new Map(rows.map((row) => [row.what, row]));
  const kept = [...(former?.matchAll(/^\| (.*?) \|.*$/gm) ?? [])].slice(2).map(([line, what = '']) => {
    const row = added.get(what);
    added.delete(what);
    return row === undefined ? line : lineOf(row);
  });
  const lines = former === undefined ? rows.map(lineOf) : [...kept, ...[...added.values()].map(lineOf)];
  return [`| ${columns.join(' | ')} |`, '| --- | --- | --- |', ...lines].join('\n');
}
