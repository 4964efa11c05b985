import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PROMETHEUS } from './datasources.ts';

/** Tag of the dashboards of this project; dashboards with the tag link to each other. */
const TAG = 'lossless-lifecycle';

/** A dashboard that is read, not edited: what it shows is changed here. */
export function page(uid: string, title: string, description: string): DashboardBuilder {
  return new DashboardBuilder(`Lossless / ${title}`)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .readonly()
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .link(
      new DashboardLinkBuilder('Lossless')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    );
}

/** A choice of the values of a label, several at once. It begins with the first of them: all services are too many to begin with. */
export function choiceOf(name: string, title: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(title)
    .datasource(PROMETHEUS)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true);
}

/** The same, all at once to begin with: as one expression, however many there are. */
export function choiceOfAll(name: string, title: string, query: string): QueryVariableBuilder {
  return choiceOf(name, title, query)
    .includeAll(true)
    .allValue('.+')
    .current({ selected: true, text: 'All', value: '$__all' });
}
