import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { instances } from './instances.ts';
import { oneShutdown } from './one-shutdown.ts';
import { oneStart } from './one-start.ts';
import { shutdowns } from './shutdowns.ts';
import { starts } from './starts.ts';
import { telemetry } from './telemetry.ts';

/** By the name of their files. */
export type Dashboards = ReturnType<typeof dashboards>;

/** Every dashboard, by the name of its file. */
export function dashboards() {
  return {
    shutdowns: numbered(shutdowns()),
    'one-shutdown': numbered(oneShutdown()),
    starts: numbered(starts()),
    'one-start': numbered(oneStart()),
    instances: numbered(instances()),
    telemetry: numbered(telemetry()),
  };
}

/** The place of a panel. */
export function panelOf(
  { dashboard, title }: { readonly dashboard: keyof Dashboards; readonly title: string },
  all: Dashboards,
): { readonly uid: string; readonly id: number } {
  const { uid, panels = [] } = all[dashboard];
  const id = panels.find((panel) => panel.title === title)?.id;
  if (uid === undefined || id === undefined) throw new Error(`no panel ${title} in ${dashboard}`);
  return { uid, id };
}

/** Links name a panel by its number. */
function numbered(dashboard: Dashboard): Dashboard {
  return { ...dashboard, panels: dashboard.panels?.map((panel, index) => ({ ...panel, id: index + 1 })) ?? [] };
}
