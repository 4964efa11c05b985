import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, test } from 'vitest';
import { addressLabel, type Place, runbookFile } from '../../../dashboards/alert-links.ts';
import { ALERTS } from '../../../dashboards/alerts.ts';
import { dashboards } from '../../../dashboards/all.ts';
import { GRAFANA_VARIABLES, grafanaRules } from '../../../dashboards/grafana-rules.ts';
import { prometheusRules } from '../../../dashboards/prometheus-rules.ts';

const all = dashboards();
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
      if (alert.search !== undefined) expect(text).toContain('{service_name}');
      const labels = [...text.matchAll(/\{(\w+)\}/g)].map(([, label = '']) => label);
      const by = /\bsum by \((.*?)\)/.exec(alert.expr)?.[1]?.split(', ') ?? [];
      expect(labels.filter((label) => label !== 'count' && !by.includes(label))).toEqual([]);
    }
  });

  test('is true of one as of many', () => {
    for (const text of [alert.summary, alert.description])
      expect(text).not.toMatch(/\{count\} (?!in the last |in 15 |not told)\w|\btimes\b/);
  });

  test('says that something was cut only when it was', () => {
    if (name !== 'LosslessRequestsCut') expect(alert.summary).not.toMatch(/\bcut\b/);
  });

  test('has an expression that parses', () => {
    expect(parses(alert.expr)).toBe(true);
  });

  test('has a page that begins with its name', () => {
    const page = resolve(root, runbookFile(alert));
    expect(existsSync(page)).toBe(true);
    expect(readFileSync(page, 'utf8')).toMatch(new RegExp(`^# ${name}\n`));
  });
});

test('Prometheus and Grafana get the same alerts', () => {
  const names = ALERTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect([...prometheusRules(all).matchAll(/- alert: (\w+)/g)].map(([, name]) => name)).toEqual(names);
  const grafana = grafanaRules(all) as {
    groups: { rules: { title: string; uid: string; data: { model: { expr?: string } }[] }[] }[];
  };
  const rules = grafana.groups.flatMap((group) => group.rules);
  expect(rules.map(({ title, data }) => [title, data[0]?.model.expr])).toEqual(
    ALERTS.map(({ name, expr }) => [name, expr]),
  );
  // Grafana accepts at most 40 characters.
  for (const { uid } of rules) expect(uid).toMatch(/^[a-z-]{1,40}$/);
});

test('links are absolute, from labels of Prometheus that its configuration has', () => {
  const links = prometheusRules(all).match(/_url: .*/g) ?? [];
  expect(links.length).toBeGreaterThan(ALERTS.length * 2);
  const begins = ['runbooks', 'grafana', 'jaeger'].map(
    (place) => `_url: "{{ with $externalLabels.${addressLabel(place as Place)} }}{{ . }}/`,
  );
  for (const each of links) expect(begins.filter((begin) => each.startsWith(begin))).toHaveLength(1);
  const config = readFileSync(resolve(root, 'collector/prometheus/prometheus.yml'), 'utf8');
  for (const place of ['runbooks', 'grafana', 'jaeger'] as const)
    expect(config).toContain(`${addressLabel(place)}: http`);
});

test('in a file of Grafana, only the data source and the addresses of others come from the environment', () => {
  const text = JSON.stringify(grafanaRules(all));
  const single = [...text.matchAll(/(?<!\$)\$(?!\$)\{?(\w+)/g)].map(([, name]) => name);
  expect(new Set(single)).toEqual(new Set(Object.values(GRAFANA_VARIABLES).map((variable) => variable.slice(1))));
});
