import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, test } from 'vitest';
import { ALERTS } from '../../../dashboards/alerts.ts';
import { dashboards } from '../../../dashboards/all.ts';
import { grafanaRules } from '../../../dashboards/grafana-rules.ts';
import { prometheusRules, runbook } from '../../../dashboards/prometheus-rules.ts';

const root = resolve(import.meta.dirname, '../../..');

function parses(expr: string): boolean {
  let isFine = true;
  parser.parse(expr).iterate({
    enter: ({ type }) => {
      if (type.isError) isFine = false;
    },
  });
  return isFine;
}

describe.each(ALERTS.map((alert) => [alert.name, alert] as const))('%s', (name, alert) => {
  test('is named and described after the conventions of mixins', () => {
    expect(name).toMatch(/^Lossless([A-Z][a-z]+)+$/);
    for (const text of [alert.summary, alert.description]) {
      expect(text).toContain('{service_name}');
      const labels = [...text.matchAll(/\{(\w+)\}/g)].map(([, label = '']) => label);
      const by = /\bsum by \((.*?)\)/.exec(alert.expr)?.[1]?.split(', ') ?? [];
      expect(labels.filter((label) => label !== 'count' && !by.includes(label))).toEqual([]);
    }
  });

  test('has expressions that parse', () => {
    expect(parses(alert.expr)).toBe(true);
    expect(parses(alert.spans('shop'))).toBe(true);
  });

  test('has a page that begins with its name', () => {
    const page = resolve(root, runbook(alert));
    expect(existsSync(page)).toBe(true);
    expect(readFileSync(page, 'utf8')).toMatch(new RegExp(`^# ${name}\n`));
  });
});

test('Prometheus and Grafana get the same alerts', () => {
  const names = ALERTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect([...prometheusRules().matchAll(/- alert: (\w+)/g)].map(([, name]) => name)).toEqual(names);
  const grafana = grafanaRules(dashboards().shutdowns) as {
    groups: { rules: { title: string; uid: string; data: { model: { expr?: string } }[] }[] }[];
  };
  const rules = grafana.groups.flatMap((group) => group.rules);
  expect(rules.map(({ title, data }) => [title, data[0]?.model.expr])).toEqual(
    ALERTS.map(({ name, expr }) => [name, expr]),
  );
  // Grafana accepts at most 40 characters.
  for (const { uid } of rules) expect(uid).toMatch(/^[a-z-]{1,40}$/);
});

test('in a file of Grafana, only the data source comes from the environment', () => {
  const text = JSON.stringify(grafanaRules(dashboards().shutdowns));
  const single = [...text.matchAll(/(?<!\$)\$(?!\$)\{?(\w+)/g)].map(([, name]) => name);
  expect(new Set(single)).toEqual(new Set(['PROMETHEUS_DATASOURCE_UID']));
});
