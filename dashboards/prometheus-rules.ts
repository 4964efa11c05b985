import { ALERTS, type Alert } from './alerts.ts';

/** Where the page of an alert is, from the root of the repository. */
const RUNBOOKS = 'docs/runbooks';

/** Where the page of an alert is. */
export function runbook({ name }: Alert): string {
  return `${RUNBOOKS}/${name}.md`;
}

/** A rule file of Prometheus, as YAML. */
export function prometheusRules(): string {
  return ['groups:', '  - name: lossless-lifecycle', '    rules:', ...ALERTS.flatMap(rule), ''].join('\n');
}

function rule(alert: Alert): readonly string[] {
  const annotations = {
    summary: filled(alert.summary),
    description: filled(alert.description),
    runbook_url: runbook(alert),
    dashboard_url: '/d/lossless-shutdowns?var-service={{ $labels.service_name | urlquery }}',
    traces_url: exemplarsOf(alert),
  };
  return [
    `      - alert: ${alert.name}`,
    '        expr: |-',
    ...alert.expr.split('\n').map((line) => `          ${line}`),
    `        labels: {severity: ${alert.severity}}`,
    '        annotations:',
    ...Object.entries(annotations).map(([name, text]) => `          ${name}: ${JSON.stringify(text)}`),
  ];
}

/** Answers with the ids of the traces behind an alert: what `$externalURL` names is this Prometheus. */
function exemplarsOf({ spans }: Alert): string {
  const query = encodeURIComponent(spans('@')).replace('%40', '{{ $labels.service_name | urlquery }}');
  return `{{ $externalURL }}/api/v1/query_exemplars?query=${query}`;
}

function filled(text: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'count' ? '{{ printf "%.0f" $value }}' : `{{ $labels.${name} }}`,
  );
}
