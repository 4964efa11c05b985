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

/** A duration that nothing else has. */
const RATE_INTERVAL = '77s';

const dashboards = [...generatedDashboards()];

/** An exact count, which the linter's rule on counters does not know; it holds for the increase that it stands for. */
const COUNTED =
  /\(\((\w+\{[^}]*\}) - last_over_time\(\1\[5m\] offset (\w+)\) >= 0 or \1\) unless resets\(\1\[\2\]\) > 0 or increase\(\1\[\2\]\)\)/g;

/** What is wrong with an expression. */
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
        if (range !== RATE_INTERVAL && range !== values['__range']) found.push(`fixed range [${range}]`);
      }
    },
  });
  return found;
}

describe('the parser', () => {
  const values = { __rate_interval: RATE_INTERVAL, __range: '6h' };

  test.each([
    ['sum(rate(x_total[$__rate_interval])', 'does not parse'],
    ['sum(x_total)', 'outside of rate'],
    ['delta(x_total[$__rate_interval])', 'outside of rate'],
    ['rate(x_total[5m])', 'rate over [5m]'],
    ['rate(x_total[$__range])', 'rate over [6h]'],
    ['increase(x_total[1h])', 'fixed range [1h]'],
  ])('sees what is wrong with %s', (expr, fault) => {
    expect(faults(expr, values).join()).toContain(fault);
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
    __range: '6h',
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

  test('reads its choices again when the time changes', () => {
    expect(variables.filter(({ type, refresh }) => type === 'query' && refresh !== 2)).toEqual([]);
  });

  test('uses every variable and only its own', () => {
    const text = JSON.stringify([panels, dashboard.annotations, variables.map(({ query }) => query)]);
    for (const { name } of variables) expect(text).toMatch(new RegExp(`\\$\\{?${name}\\b`));
  });

  test('has panels that do not overlap, numbered', () => {
    expect(panels.map(({ id }) => id)).toEqual(panels.map((_, index) => index + 1));
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
    for (const target of panel.targets) expect(targetFaults(target)).toEqual([]);
  });

  test.each((dashboard.annotations.list ?? []).map(({ name, expr }) => [name, expr]))('annotation: %s', (_, expr) => {
    expect(faults(expr ?? '', values)).toEqual([]);
  });

  function targetFaults({ datasource, expr, tags, operation }: Target): readonly string[] {
    if (datasource.type === 'prometheus') return faults(expr ?? '', values);
    // Grafana 11.3 and later break variables in tags.
    return [tags, operation].filter((text) => text?.includes('$')).map((text) => `a variable in ${text}`);
  }
});
