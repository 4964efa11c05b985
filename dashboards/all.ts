import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { instances } from './instances.ts';
import { oneShutdown } from './one-shutdown.ts';
import { oneStart } from './one-start.ts';
import { shutdowns } from './shutdowns.ts';
import { starts } from './starts.ts';
import { telemetry } from './telemetry.ts';

/** Every dashboard, by the name of its file. */
export function dashboards(): { readonly shutdowns: Dashboard } & Readonly<Record<string, Dashboard>> {
  return {
    shutdowns: numbered(shutdowns()),
    'one-shutdown': numbered(oneShutdown()),
    starts: numbered(starts()),
    'one-start': numbered(oneStart()),
    instances: numbered(instances()),
    telemetry: numbered(telemetry()),
  };
}

/** Panels are linked to by number. */
function numbered(dashboard: Dashboard): Dashboard {
  return { ...dashboard, panels: dashboard.panels?.map((panel, index) => ({ ...panel, id: index + 1 })) ?? [] };
}
