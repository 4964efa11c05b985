import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { ALERTS, type Alert } from './alerts.ts';
import { runbook } from './prometheus-rules.ts';

/** Grafana fills in variables of the environment in a provisioned file; a `$` of its own is doubled. */
const DATASOURCE = '$PROMETHEUS_DATASOURCE_UID';

/** How far back the query of a rule may look, in seconds. */
const LOOK_BACK = 1_800;

/** A file for `provisioning/alerting` of Grafana. No shutdown means no data, which is fine. */
export function grafanaRules(shutdowns: Dashboard): object {
  return {
    apiVersion: 1,
    groups: [
      {
        orgId: 1,
        name: 'lossless-lifecycle',
        folder: 'Lossless',
        interval: '30s',
        rules: ALERTS.map((alert) => rule(alert, shutdowns)),
      },
    ],
  };
}

function rule(alert: Alert, shutdowns: Dashboard): object {
  const panel = shutdowns.panels?.find(({ title }) => title === alert.panel);
  if (panel?.id === undefined) throw new Error(`${alert.name}: no panel ${alert.panel}`);
  return {
    uid: alert.name.replace(/\B[A-Z]/g, '-$&').toLowerCase(),
    title: alert.name,
    condition: 'B',
    data: [
      {
        refId: 'A',
        relativeTimeRange: { from: LOOK_BACK, to: 0 },
        datasourceUid: DATASOURCE,
        model: { refId: 'A', expr: alert.expr, instant: true, range: false },
      },
      {
        refId: 'B',
        relativeTimeRange: { from: LOOK_BACK, to: 0 },
        datasourceUid: '__expr__',
        model: {
          refId: 'B',
          type: 'threshold',
          expression: 'A',
          conditions: [{ evaluator: { type: 'gt', params: [0] } }],
        },
      },
    ],
    for: '0s',
    noDataState: 'OK',
    execErrState: 'Error',
    labels: { severity: alert.severity },
    annotations: {
      summary: filled(alert.summary),
      description: filled(alert.description),
      runbook_url: runbook(alert),
      __dashboardUid__: shutdowns.uid,
      __panelId__: String(panel.id),
    },
  };
}

function filled(text: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'count' ? '{{ printf "%.0f" $$values.A.Value }}' : `{{ $$labels.${name} }}`,
  );
}
