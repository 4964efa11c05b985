import { addressLabel, type Place, runbookPath, tracesPath } from './alert-links.ts';
import { ALERTS, type Alert } from './alerts.ts';
import { type Dashboards, panelOf } from './all.ts';

const SERVICE = '{{ $labels.service_name | urlquery }}';

/** A rule file of Prometheus, as YAML. */
export function prometheusRules(dashboards: Dashboards): string {
  const rules = ALERTS.flatMap((alert) => rule(alert, dashboards));
  return ['groups:', '  - name: lossless-lifecycle', '    rules:', ...rules, ''].join('\n');
}

function rule(alert: Alert, dashboards: Dashboards): readonly string[] {
  const { uid, id } = panelOf(alert.panel, dashboards);
  const traces = tracesPath(alert, SERVICE);
  const ofService = alert.search === undefined ? '' : `&var-service=${SERVICE}`;
  const annotations = {
    summary: filled(alert.summary),
    description: filled(alert.description),
    runbook_url: link('runbooks', runbookPath(alert)),
    dashboard_url: link('grafana', `/d/${uid}?viewPanel=${id}${ofService}`),
    ...(traces !== undefined && { traces_url: link('jaeger', traces) }),
  };
  return [
    `      - alert: ${alert.name}`,
    '        expr: |-',
    ...alert.expr.split('\n').map((line) => `          ${line}`),
    ...(alert.for === undefined ? [] : [`        for: ${alert.for}`]),
    `        labels: {severity: ${alert.severity}}`,
    '        annotations:',
    ...Object.entries(annotations).map(([name, text]) => `          ${name}: ${JSON.stringify(text)}`),
  ];
}

/** Empty when Prometheus has no external label for that server. */
function link(place: Place, path: string): string {
  return `{{ with $externalLabels.${addressLabel(place)} }}{{ . }}${path}{{ end }}`;
}

function filled(text: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'count' ? '{{ printf "%.0f" $value }}' : `{{ $labels.${name} }}`,
  );
}
