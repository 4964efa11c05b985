import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { OFFLINE_RESULTS, type OfflineResult } from '../src/lifecycle/outcomes.ts';
import { ATTR } from '../src/trace/model/schema.ts';
import { atLeast, CONCERNS } from './colors.ts';
import { PROMETHEUS } from './datasources.ts';
import { curves, numbers } from './panels.ts';
import { curve, value } from './queries.ts';
import { calls, counted, SERVICE } from './span-metrics.ts';
import { OF_SERVICE } from './span-panels.ts';

/** Objective: the share of shutdowns that lose no request. */
const OBJECTIVE = 0.999;

/** The period of the objective. */
const PERIOD = '30d';

/** Results of shutdowns that lost no request. */
const LOSSLESS: readonly OfflineResult[] = ['success', 'incomplete'];

/** Results that do not count: the instance stayed, or had never served. */
const NEITHER: readonly OfflineResult[] = ['cancelled', 'never_ready'];

const LOSSY = OFFLINE_RESULTS.filter((result) => !LOSSLESS.includes(result) && !NEITHER.includes(result));

function shutdowns(results: readonly OfflineResult[], range: string): string {
  return counted([SERVICE], calls('offline', OF_SERVICE, [ATTR.offlineResult, '=~', results.join('|')]), range);
}

/** Share of shutdowns that lost requests, or may have. */
function lossyShare(range: string): string {
  const all = shutdowns([...LOSSLESS, ...LOSSY], range);
  return `(${shutdowns(LOSSY, range)} or 0 * ${all}) / (${all} > 0)`;
}

/** The share of shutdowns that lost no request, beside the objective. */
export function sloPanels(): readonly [share: Builder<Panel>, budget: Builder<Panel>, burnRate: Builder<Panel>] {
  return [
    numbers({
      title: 'Lossless shutdowns in 30 days',
      description: `Share of the shutdowns that ended with ${LOSSLESS.join(' or ')}, by service; ${NEITHER.join(' and ')} do not count. The objective is ${OBJECTIVE * 100} %. Killed shutdowns without an end are in Still open.`,
      unit: 'percentunit',
      levels: atLeast(OBJECTIVE - (1 - OBJECTIVE), OBJECTIVE),
      datasource: PROMETHEUS,
      width: 6,
      height: 5,
      targets: [value(`1 - ${lossyShare(PERIOD)}`, `{{${SERVICE}}}`)],
    }).decimals(2),
    numbers({
      title: 'Error budget spent',
      description: `Share of the error budget of 30 days that failed shutdowns have spent. Above 1, the objective is missed.`,
      unit: 'percentunit',
      levels: CONCERNS,
      datasource: PROMETHEUS,
      width: 6,
      height: 5,
      targets: [value(`${lossyShare(PERIOD)} / ${(1 - OBJECTIVE).toFixed(3)}`, `{{${SERVICE}}}`)],
    }),
    curves({
      title: 'Burn rate',
      description:
        'Speed at which failed shutdowns spend the error budget, over the last hour and the last six hours. 1 spends it in 30 days; 14 in two days.',
      unit: 'none',
      datasource: PROMETHEUS,
      width: 12,
      height: 5,
      targets: ['1h', '6h'].map((range) =>
        curve(`${lossyShare(range)} / ${(1 - OBJECTIVE).toFixed(3)}`, `{{${SERVICE}}} ${range}`),
      ),
    }),
  ];
}
