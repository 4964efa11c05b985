/**
 * Writes `docs/reference/` from the tables of the code, and the diagram and programs of pages that are otherwise written by hand. With `--check` nothing is
 * written: the exit code says whether they are what the tables say.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RULES, type Rule } from '../src/cli/conformance/rules.ts';
import { VARIABLES, type Variable } from '../src/config/variables.ts';
import { ERRORS } from '../src/errors.ts';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { STATES, TRANSITIONS, TRIGGERS } from '../src/lifecycle/transitions.ts';
import { METRICS, type MetricSchema } from '../src/metrics/table.ts';
import {
  OFFLINE_METRICS,
  type OfflineMetricName,
  type OfflineMetricSchema,
  POINT_ATTRIBUTES,
  prometheusName,
} from '../src/trace/model/offline-metrics.ts';
import { ATTRIBUTES, attributesOfSpan, IDENTITY, SPANS, spanName } from '../src/trace/model/schema.ts';

import { COVERAGE, type Coverage } from '../test/support/coverage.ts';

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');

const NOTE = '<!-- Generated from the code by `npm run docs`. Do not edit. -->\n';

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function variables(): string {
  const rows = (Object.entries(VARIABLES) as [string, Variable<unknown>][]).map(
    ([name, { parse, default: value, doc, secret }]) => [
      `\`${name}\``,
      value === undefined || value === '' ? '–' : `\`${value}\``,
      parse.rule,
      `${doc}${secret ? ' Never logged.' : ''}`,
    ],
  );
  return `# Variables\n\nDurations are in milliseconds. A bad value is one log line that names the variable, the value and the rule. After a bad \`LOSSLESS_*\` value the application runs without the plugin, or ends with \`LOSSLESS_STRICT=true\`. In place of a bad value of another variable the plugin uses the default. *Elsewhere* is the name of the same thing in other software.\n\n${table(['variable', 'default', 'must be', 'meaning'], rows)}\n`;
}

function spans(): string {
  const rows = (Object.entries(SPANS) as [WorkName, (typeof SPANS)[WorkName]][]).map(
    ([work, { kind, parent, doc }]) => [
      `\`${spanName(work)}\``,
      kind,
      parent === null ? '–' : `\`${spanName(parent)}\``,
      doc,
    ],
  );
  const details = (Object.entries(SPANS) as [WorkName, (typeof SPANS)[WorkName]][]).map(
    ([work]) =>
      `### \`${spanName(work)}\`\n\n${attributesOfSpan(work)
        .map((name) => `- \`${name}\``)
        .join('\n')}`,
  );
  const attributes = Object.entries(ATTRIBUTES).map(([name, { type, doc, values }]) => [
    `\`${name}\``,
    type,
    `${doc}${values === undefined ? '' : ` ${type.endsWith('[]') ? 'Any' : 'One'} of ${values.map((value) => `\`${value}\``).join(', ')}.`}`,
  ]);
  return `# Spans\n\nOne trace for each shutdown (\`lossless.offline\`) and one for each start (\`lossless.online\`). Identity is on every span: ${IDENTITY.map((name) => `\`${name}\``).join(', ')}.\n\n${table(['span', 'kind', 'parent', 'what it covers'], rows)}\n\n## Attributes\n\n${table(['attribute', 'type', 'meaning'], attributes)}\n\n## Attributes of each span\n\n${details.join('\n\n')}\n`;
}

function errors(): string {
  const rows = Object.entries(ERRORS).map(([code, text]) => [`\`${code}\``, text]);
  return `# Errors\n\nCodes are stable; match on them, not on the text.\n\n${table(['code', 'meaning and what to do'], rows)}\n`;
}

function metrics(): string {
  const rows = (Object.entries(METRICS) as [string, MetricSchema][]).map(([name, { type, help, labels }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', ') || '–',
    help,
  ]);
  const offlineRows = (Object.entries(OFFLINE_METRICS) as [OfflineMetricName, OfflineMetricSchema][]).map(
    ([name, { unit, doc, attributes }]) => [
      `\`${name}\``,
      `\`${prometheusName(name)}\``,
      unit,
      attributes.map((attribute) => `\`${attribute}\``).join(', ') || '–',
      doc,
    ],
  );
  const attributeRows = Object.entries(POINT_ATTRIBUTES).map(([name, { doc, values }]) => [
    `\`${name}\``,
    values.map((value) => `\`${value}\``).join(', '),
    doc,
  ]);
  return `# Metrics\n\n## On \`/metrics\`\n\nEach instance serves these metrics at its control port, for Prometheus. Every series also has \`service_name\`.\n\n${table(['metric', 'type', 'labels', 'meaning'], rows)}\n\n## At the end of an offline\n\nEach instance sends these metrics once, as OTLP, to \`/v1/metrics\` of the collector ([which servers take them](../pipeline.md#metrics-of-an-offline)). All are gauges. The resource is that of the spans: \`service.name\`, \`service.namespace\`, \`service.instance.id\`, \`service.version\`, \`deployment.environment.name\` and so on.\n\n${table(['metric', 'in Prometheus', 'unit', 'attributes', 'meaning'], offlineRows)}\n\n${table(['attribute', 'values', 'meaning'], attributeRows)}\n\nOther attributes are [those of spans](spans.md#attributes).\n`;
}

const COVERAGE_HEADS: Readonly<Record<Coverage['kind'], string>> = {
  client: 'Clients',
  gateway: 'Gateways',
  framework: 'Frameworks and servers',
  closing: 'Libraries that close a server',
  launcher: 'Launchers',
  tracing: 'Tracing',
};

/** The installed version, which the tests use. */
function versionOf(of: Coverage['of']): string {
  if (of === undefined) return 'of Node.js';
  const [name] = of;
  const path = ['.', 'test/packages', 'test/support/otel']
    .map((folder) => join(root, folder, 'node_modules', name, 'package.json'))
    .find(existsSync);
  if (path === undefined) throw new Error(`${name} is not installed: run scripts/install.sh`);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

function coverage(): string {
  const parts = (Object.keys(COVERAGE_HEADS) as Coverage['kind'][]).map((kind) => {
    const found = COVERAGE.filter((row) => row.kind === kind).map(
      ({ name, of, version, covered, note, test: [file] }) => [
        name,
        version ?? versionOf(of),
        covered,
        note ?? '–',
        `\`${join('test/process', file)}\``,
      ],
    );
    return `## ${COVERAGE_HEADS[kind]}\n\n${table(['what', 'tested version', 'covered', 'what is not covered, and what to write instead', 'test'], found)}`;
  });
  return `# What is covered\n\nEach row names its test. In \`clients.test.ts\` and \`frameworks.test.ts\` an instance leaves under load and no call fails. The other tests of clients show which calls reach a service, and what the plugin logs about the first call that does not.\n\n${parts.join('\n\n')}\n`;
}

function diagram(): string {
  const moves = TRANSITIONS.map(({ from, trigger, to }) => `  ${from} --> ${to}: ${trigger}`);
  return ['```mermaid', 'stateDiagram-v2', '  [*] --> created', ...moves, '  stopped --> [*]', '```'].join('\n');
}

function states(): string {
  const stateRows = Object.entries(STATES).map(([name, doc]) => [`\`${name}\``, doc]);
  const triggerRows = Object.entries(TRIGGERS).map(([name, doc]) => [`\`${name}\``, doc]);
  return `# States\n\nAn instance makes only these moves. It refuses any other trigger and records the refusal.\n\n${diagram()}\n\n${table(['state', 'meaning'], stateRows)}\n\n${table(['trigger', 'cause'], triggerRows)}\n`;
}

/** Puts the diagram between the markers of a page that people write by hand. */
function withDiagram(page: string): string {
  return page.replace(/(<!-- states -->\n)[\s\S]*?(<!-- \/states -->)/, `$1${diagram()}\n$2`);
}

/** Puts the rules of `lossless conformance` between the markers of a page that people write by hand. */
function withRules(page: string): string {
  const rows = Object.entries(RULES).map(([id, rule]) => [id, rule.of, rule.text, whenOf(rule)]);
  const rules = table(['rule', 'of', 'what must hold', 'tested'], rows);
  return page.replace(/(<!-- rules -->\n)[\s\S]*?(<!-- \/rules -->)/, (_, begin, end) => `${begin}${rules}\n${end}`);
}

function whenOf(rule: Rule): string {
  if (rule.secret) return 'with a secret';
  return rule.optional ? 'always; optional' : 'always';
}

/** Puts the programs of `examples/` between the markers of a page that people write by hand. */
function withExamples(page: string): string {
  return page.replace(/(<!-- example: (\S+) -->\n)[\s\S]*?(<!-- \/example -->)/g, (_, begin, file, end) => {
    const program = readFileSync(join(root, 'examples', file), 'utf8');
    return `${begin}\`\`\`${file.endsWith('.ts') ? 'ts' : 'js'}\n${program}\`\`\`\n${end}`;
  });
}

const pages: Readonly<Record<string, string>> = {
  'docs/reference/variables.md': `${NOTE}\n${variables()}`,
  'docs/reference/spans.md': `${NOTE}\n${spans()}`,
  'docs/reference/errors.md': `${NOTE}\n${errors()}`,
  'docs/reference/metrics.md': `${NOTE}\n${metrics()}`,
  'docs/reference/states.md': `${NOTE}\n${states()}`,
  'docs/coverage.md': `${NOTE}\n${coverage()}`,
  'docs/protocol.md': withRules(readFileSync(join(root, 'docs/protocol.md'), 'utf8')),
  'docs/application.md': withExamples(readFileSync(join(root, 'docs/application.md'), 'utf8')),
  'docs/registries/own.md': withExamples(readFileSync(join(root, 'docs/registries/own.md'), 'utf8')),
  'docs/architecture.md': withDiagram(readFileSync(join(root, 'docs/architecture.md'), 'utf8')),
};

mkdirSync(join(root, 'docs/reference'), { recursive: true });
for (const [path, content] of Object.entries(pages)) {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file, 'utf8') === content) continue;
  if (check) {
    console.error(`${path} is not what the code says; run \`npm run docs\``);
    process.exitCode = 1;
  } else writeFileSync(file, content);
}
