import { describe, expect, test } from 'vitest';
import { ATTR } from '../../src/trace/model/schema.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import type { Child } from '../support/process/child.ts';
import { CLI } from '../support/process/cli.ts';
import { NODES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { useStarted } from '../support/use-started.ts';

const children = useChildren();

const collector = useStarted(() => embeddedCollector());

async function inspect(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Child> {
  const child = children.run(NODES['22.19'], [CLI, 'inspect', ...args], { env });
  await child.ends();
  return child;
}

/** Exit code, once it has ended. */
async function codeOf(child: Child): Promise<number | null> {
  return (await child.ends()).code;
}

describe('lossless inspect', () => {
  test('ends with 0 for a whole shutdown that told every consumer, the latest of all services', async () => {
    const now = Date.now();
    for (const [service, ago] of [
      ['earlier', 20_000],
      ['latest', 10_000],
    ] as const)
      await sendOtlp(collector().otlpUrl, shutdownBodies(service, 12, 0, now - ago).bodies);
    const child = await inspect(['--url', collector().queryUrl]);
    expect(child.stdout).toContain('latest latest-1 left at');
    expect(child.stdout).toContain('success, 12 of 12 consumers acked');
    expect(child.stdout).toContain('… 2 more acked');
    expect(child.stdout).not.toContain('\u001b');
    expect(child.stderr).toBe('');
    expect(await codeOf(child)).toBe(0);
    const earlier = await inspect(['--service', 'earlier'], { LOSSLESS_JAEGER_URL: collector().queryUrl });
    expect(earlier.stdout).toContain('earlier earlier-1 left at');
    expect(await codeOf(earlier)).toBe(0);
  });

  test('ends with 1 when a GoAway failed or a part of the trace is missing', async () => {
    const told = shutdownBodies('untold', 30, 25);
    await sendOtlp(collector().otlpUrl, told.bodies);
    const untold = await inspect([told.traceId, '--url', collector().queryUrl]);
    expect(untold.stdout).toMatch(/- caller-\d+ was not told/);
    expect(untold.stdout).toContain('- and 6 more');
    expect(await codeOf(untold)).toBe(1);

    const { traceId, bodies } = shutdownBodies('partly', 3);
    await sendOtlp(collector().otlpUrl, bodies.slice(0, -1));
    const partly = await inspect([traceId, '--url', collector().queryUrl, '--json']);
    expect(JSON.parse(partly.stdout)).toMatchObject({ traceId, result: 'success', whole: false, refreshes: 2 });
    expect(await codeOf(partly)).toBe(1);
  });

  test('ends as verify does, with 0 for an undone shutdown and 1 for requests after an ack', async () => {
    const [undone, late] = [shutdownBodies('undone', 1), shutdownBodies('late', 1)];
    const after = `{"key":"${ATTR.afterAck}","value":{"intValue":"7"}}`;
    await sendOtlp(collector().otlpUrl, [
      ...undone.bodies.map((body) => body.replace('"success"', '"cancelled"')),
      ...late.bodies.map((body) => body.replace(`{"key":"${ATTR.fanoutComplete}"`, (key) => `${after},${key}`)),
    ]);
    expect(await codeOf(await inspect([undone.traceId, '--url', collector().queryUrl]))).toBe(0);
    const child = await inspect([late.traceId, '--url', collector().queryUrl]);
    expect(child.stdout).toContain('- 7 requests came after the ack of their consumer');
    expect(await codeOf(child)).toBe(1);
  });

  test.each([
    [['f'.repeat(32)], /^LOSSLESS_TRACE_NOT_FOUND: /],
    [['--service', 'nobody'], /^LOSSLESS_TRACE_NOT_FOUND: no shutdown of nobody/],
    [['not-an-id'], /^LOSSLESS_USAGE: /],
    [['--colour'], /^LOSSLESS_USAGE: /],
  ])('ends with 2 for the arguments %j', async (args, words) => {
    const child = await inspect([...args, '--url', collector().queryUrl]);
    expect(child.stderr).toMatch(words);
    expect(child.stdout).toBe('');
    expect(await codeOf(child)).toBe(2);
  });

  test.each([
    ['http://127.0.0.1:1', /^LOSSLESS_COLLECTOR_UNREACHABLE: .*lossless collector/],
    ['nonsense', /^LOSSLESS_USAGE: --url/],
  ])('ends with 2 when no store answers at %s', async (url, words) => {
    const child = await inspect(['--url', url]);
    expect(child.stderr).toMatch(words);
    expect(await codeOf(child)).toBe(2);
  });
});
