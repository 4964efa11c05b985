import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, test } from 'vitest';
import {
  generatedDashboards,
  interpolate,
  type Panel,
  type Target,
  type Values,
} from '../../support/observe/grafana.ts';

/** The rules of Grafana's dashboard-linter. Its rules on `job` and `instance` do not fit: span metrics are summed over both. */
const UNITS = ['none', 'short', 'percentunit', 'ms', 's', 'reqps', 'bytes', 'dateTimeAsIso', 'bool_yes_no'];

const WITH_UNIT = ['stat', 'table', 'timeseries', 'gauge', 'bargauge', 'barchart'];

/** Durations that nothing else has. */
const RATE_INTERVAL = '77s';
const INTERVAL = '33s';

/** The ranges of the objective, which are fixed for any time range of the dashboard. */
const OF_OBJECTIVE = ['30d', '6h', '1h'];

/** Those whose numbers need colours that mean something. */
const COLOURED = ['stat', 'gauge', 'bargauge'];

const dashboards = [...generatedDashboards()];

/** An exact count, which the linter's rule on counters does not know; it holds for the increase that it stands for. */
const COUNTED =
  /\(\((\w+\{[^}]*\}) - last_over_time\(\1\[5m\] offset (\w+)\) >= 0 or \1\) unless resets\(\1\[\2\]\) > 0 or increase\(\1\[\2\]\)\)/g;

/** What is wrong with the windows of a curve: those that overlap count an event several times, and a share is no count. */
function windowFaults(expr: string, values: Values): readonly string[] {
  const whole = interpolate(expr, values);
  return [...whole.matchAll(COUNTED)]
    .map(([, , window]) => window)
    .filter((window) => window !== INTERVAL && !/\) \/ /.test(whole))
    .map((window) => `counted over ${window}, whatever the step`);
}

/** Whether what a curve shows grows with the instances and is not bounded. */
function isUnbounded(expr: string): boolean {
  return /by \([^)]*\b(instance|address)\b/.test(expr) && !/\b(topk|bottomk)\(/.test(expr);
}

/** The faults of an expression. */
function faults(expr: string, values: Values): readonly string[] {
  const whole = interpolate(expr, values);
  return [whole, whole.replace(COUNTED, '(increase($1[$2]))')].flatMap((text, index) =>
    faultsOf(text, values).filter((fault) => index === 1 || fault.startsWith('does not parse')),
  );
}

function faultsOf(text: string, values: Values): readonly string[] {
  const found: string[] = [];
  parser.parse(text).iterate({
    enter(node) {
      const own = text.slice(node.from, node.to);
      if (node.type.isError) found.push(`does not parse at ${node.from}: ${text}`);
      if (node.name === 'VectorSelector' && /^\w+_total\b/.test(own)) {
        const call = /(\w+)\($/.exec(text.slice(0, node.from))?.[1];
        if (!['rate', 'irate', 'increase'].includes(call ?? ''))
          found.push(`counter ${own} outside of rate or increase`);
      }
      if (node.name === 'MatrixSelector') {
        const range = /\[([^\]]*)\]$/.exec(own)?.[1];
        const call = /(\w+)\($/.exec(text.slice(0, node.from))?.[1];
        if (range !== RATE_INTERVAL && (call === 'rate' || call === 'irate')) found.push(`${call} over [${range}]`);
        if (![RATE_INTERVAL, INTERVAL, values['__range'], ...OF_OBJECTIVE].includes(range))
          found.push(`fixed range [${range}]`);
      }
    },
  });
  return found;
}

describe('the parser', () => {
  const values = { __rate_interval: RATE_INTERVAL, __interval: INTERVAL, __range: '5h' };

  test.each([
    ['sum(rate(x_total[$__rate_interval])', 'does not parse'],
    ['sum(x_total)', 'outside of rate'],
    ['delta(x_total[$__rate_interval])', 'outside of rate'],
    ['rate(x_total[5m])', 'rate over [5m]'],
    ['rate(x_total[$__range])', 'rate over [5h]'],
    ['increase(x_total[2h])', 'fixed range [2h]'],
  ])('sees what is wrong with %s', (expr, fault) => {
    expect(faults(expr, values).join()).toContain(fault);
  });

  test('sees windows that overlap, and not those of a share', () => {
    const counted = (window: string): string =>
      `sum ((x_total{} - last_over_time(x_total{}[5m] offset ${window}) >= 0 or x_total{}) unless resets(x_total{}[${window}]) > 0 or increase(x_total{}[${window}]))`;
    expect(windowFaults(counted('$__rate_interval'), values)).toEqual([
      `counted over ${RATE_INTERVAL}, whatever the step`,
    ]);
    expect(windowFaults(counted('$__interval'), values)).toEqual([]);
    expect(windowFaults(`(${counted('1h')}) / (${counted('1h')} > 0)`, values)).toEqual([]);
  });

  test('sees what grows with the instances', () => {
    expect(isUnbounded('sum by (service_name, instance) (rate(x_total[5m]))')).toBe(true);
    expect(isUnbounded('topk(20, sum by (instance) (x))')).toBe(false);
  });

  test('accepts what is right', () => {
    expect(faults('sum(rate(x_total{a="b"}[$__rate_interval])) / sum(increase(x_total[$__range]))', values)).toEqual(
      [],
    );
  });
});

test('each dashboard has an id and a title of its own', () => {
  expect(new Set(dashboards.map(([, { uid }]) => uid)).size).toBe(dashboards.length);
  expect(new Set(dashboards.map(([, { title }]) => title)).size).toBe(dashboards.length);
});

test('results are chosen by their names: a new one is counted only where that is meant', () => {
  const exprs = dashboards.flatMap(([, { panels }]) =>
    panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  );
  expect(exprs.filter((expr) => /_result!/.test(expr ?? ''))).toEqual([]);
});

describe.each(dashboards)('%s', (_, dashboard) => {
  const { panels, templating } = dashboard;
  const variables = templating.list;
  const values: Values = {
    ...Object.fromEntries(variables.map(({ name }) => [name, 'x'])),
    __rate_interval: RATE_INTERVAL,
    __interval: INTERVAL,
    __range: '5h',
  };

  test('cannot be edited', () => {
    expect(dashboard.editable).toBe(false);
  });

  test('asks for its data sources', () => {
    for (const { name, label, query } of variables.filter(({ type }) => type === 'datasource')) {
      expect(name).toBe(`${query}_datasource`);
      expect(label).toBe(`${query[0]?.toUpperCase()}${query.slice(1)} data source`);
    }
    const asked = variables.filter(({ type }) => type === 'datasource').map(({ name }) => `$${name}`);
    const used = [
      ...panels.flatMap(({ datasource, targets }) => [datasource, ...targets.map((target) => target.datasource)]),
      ...(dashboard.annotations.list ?? []).map(({ datasource }) => datasource),
    ].map(({ uid }) => uid);
    expect([...new Set(used)].sort()).toEqual(asked.sort());
  });

  test('begins with one service; all instances together are one expression', () => {
    for (const { name, includeAll, allValue } of variables.filter(({ type }) => type === 'query')) {
      if (name === 'service') expect(includeAll ?? false).toBe(false);
      if (includeAll) expect(allValue).toBe('.+');
    }
  });

  test('reads its choices again when the time changes', () => {
    expect(variables.filter(({ type, refresh }) => type === 'query' && refresh !== 2)).toEqual([]);
  });

  test('uses every variable and only its own', () => {
    const text = JSON.stringify([panels, dashboard.annotations, variables.map(({ query }) => query)]);
    for (const { name } of variables) expect(text).toMatch(new RegExp(`\\$\\{?${name}\\b`));
  });

  test('has panels that do not overlap, numbered', () => {
    const ids = panels.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)}/${y + Math.floor(n / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos, title } of panels) expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
  });

  test.each(panels.map((panel): [string, Panel] => [panel.title, panel]))('panel: %s', (title, panel) => {
    expect(title).not.toBe('');
    expect(panel.description).not.toBe('');
    expect(panel.targets.length).toBeGreaterThan(0);
    expect(new Set(panel.targets.map(({ refId }) => refId)).size).toBe(panel.targets.length);
    if (WITH_UNIT.includes(panel.type)) expect(UNITS).toContain(panel.fieldConfig?.defaults.unit);
    // Grafana's own are green up to 80 and red from there, whatever the number means.
    if (COLOURED.includes(panel.type)) {
      const steps = panel.fieldConfig?.defaults.thresholds?.steps ?? [];
      expect(steps[0]?.value).toBeNull();
      expect(steps.map(({ value }) => value)).not.toContain(80);
    }
    for (const target of panel.targets) expect(targetFaults(target)).toEqual([]);
  });

  test.each((dashboard.annotations.list ?? []).map((each) => [each.name, each] as const))(
    'annotation: %s',
    (_, each) => {
      const { expr = '', step, titleFormat, textFormat, tagKeys, useValueForTime } = each;
      expect(faults(expr, values)).toEqual([]);
      expect({ step, tagKeys, useValueForTime }).toEqual({
        step: '10s',
        tagKeys: 'service_name,instance',
        useValueForTime: true,
      });
      expect(titleFormat).toContain('{{service_name}}');
      expect(textFormat).toContain('{{instance}}');
    },
  );

  function targetFaults({ datasource, expr = '', instant = false, tags, operation }: Target): readonly string[] {
    if (datasource.type === 'prometheus')
      return [
        ...faults(expr, values),
        ...(instant ? [] : windowFaults(expr, values)),
        ...(!instant && isUnbounded(expr) ? ['grows with the instances'] : []),
      ];
    // Grafana 11.3 and later break variables in tags.
    return [tags, operation].filter((text) => text?.includes('$')).map((text) => `a variable in ${text}`);
  }
});
