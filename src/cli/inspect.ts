import { parseArgs } from 'node:util';
import { LosslessError } from '../errors.ts';
import { spanName } from '../trace/model/schema.ts';
import { aligned, skewWords } from '../trace/model/skew.ts';
import { milliseconds, type Trace } from '../trace/model/trace.ts';
import { assess, isCounted, isLossless, type Verdict } from '../trace/model/verdict.ts';
import type { Command } from './command.ts';
import { JaegerClient } from './jaeger-client.ts';
import { jaegerUrl } from './jaeger-url.ts';
import { waterfall } from './waterfall.ts';

export const command: Command = {
  usage: '[traceId] [--service NAME] [--url http://127.0.0.1:16686] [--json]',
  summary: 'Shows one shutdown, by default the latest, and tells whether it was lossless and its trace is whole.',
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { url: { type: 'string' }, service: { type: 'string' }, json: { type: 'boolean' } },
    });
    const client = new JaegerClient(jaegerUrl(values.url));
    const [traceId] = positionals;
    if (traceId !== undefined && !/^[0-9a-f]{1,32}$/i.test(traceId))
      throw new LosslessError(
        'LOSSLESS_USAGE',
        `expected a trace id of 1 to 32 hexadecimal digits, received ${traceId}`,
      );
    const trace = await (traceId === undefined ? latest(client, values.service) : client.trace(traceId));
    const verdict = assess(trace, Date.now());
    const { spans, skews } = aligned(trace.spans);
    const differ = skewWords(skews) ?? [];
    if (values.json) io.out(JSON.stringify(verdict));
    else
      for (const line of [...waterfall({ ...trace, spans }, io), '', ...verdictLines(verdict)].concat(differ))
        io.out(line);
    return isLossless(verdict) ? 0 : isCounted(verdict) ? 1 : 2;
  },
};

/** Most problems that the command prints. */
const SAID = 20;

/** A verdict in words. */
export function verdictLines(verdict: Verdict): readonly string[] {
  const { kind, service, instanceId, result, planned, acked, durationMs, spans, startedAt, traceId } = verdict;
  const did = kind === 'offline' ? 'left' : 'came online';
  const told = kind === 'offline' ? `, ${acked} of ${planned} consumers acked` : '';
  return [
    `${service} ${instanceId} ${did} at ${new Date(startedAt).toISOString()} within ${milliseconds(durationMs)}: ${result}${told}`,
    `trace ${traceId}: ${spans} spans, ${verdict.whole ? 'whole' : 'NOT whole'}`,
    ...verdict.problems.slice(0, SAID).map((problem) => `- ${problem}`),
    ...(verdict.problems.length > SAID ? [`- and ${verdict.problems.length - SAID} more`] : []),
    ...(verdict.runbook === null ? [] : [`what to do: docs/runbooks/${verdict.runbook}.md`]),
  ];
}

/** The latest shutdown of one service, or of any. */
async function latest(client: JaegerClient, service: string | undefined): Promise<Trace> {
  const services = service === undefined ? await client.services() : [service];
  const found = await Promise.all(
    services.map((name) => client.search({ service: name, operation: spanName('offline.started'), limit: 1 })),
  );
  const [trace] = found.flat().sort((a, b) => (b.spans[0]?.start ?? 0) - (a.spans[0]?.start ?? 0));
  if (trace === undefined)
    throw new LosslessError(
      'LOSSLESS_TRACE_NOT_FOUND',
      `no shutdown${service === undefined ? '' : ` of ${service}`} was found`,
    );
  return trace;
}
