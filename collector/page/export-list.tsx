import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Shutdown, ShutdownList } from '../server/shutdown-list.ts';
import { type Filters, queryOf } from './filters.tsx';
import { csvOf, save } from './save.ts';

/** Most rows of one file. */
const MOST = 2_000;

/** Columns of the file, and the value of each. */
const COLUMNS: readonly (readonly [string, (shutdown: Shutdown) => string | number])[] = [
  ['began', ({ startedAt }) => new Date(startedAt).toISOString()],
  ['took_ms', ({ durationMs }) => durationMs],
  ['service', ({ service }) => service],
  ['version', ({ version }) => version],
  ['instance', ({ instanceId }) => instanceId],
  ['kind', ({ kind }) => kind],
  ['result', ({ result }) => result],
  ['whole', ({ whole }) => String(whole)],
  ['consumers', ({ planned }) => planned],
  ['acked', ({ acked }) => acked],
  ['requests_after_ack', ({ afterAck }) => afterAck],
  ['problem', ({ problems }) => problems[0] ?? ''],
  ['trace_id', ({ traceId }) => traceId],
];

/** Saves all pages of the filtered list as a file. */
export function ExportList({ filters }: { readonly filters: Filters }): JSX.Element {
  const [said, say] = useState('');
  const write = async (type: 'csv' | 'json'): Promise<void> => {
    try {
      const rows = await allOf(filters, (count) => say(`${count} read`));
      if (type === 'json') save('shutdowns.json', 'application/json', JSON.stringify(rows, null, 2));
      else
        save(
          'shutdowns.csv',
          'text/csv',
          csvOf([COLUMNS.map(([name]) => name), ...rows.map((row) => COLUMNS.map(([, read]) => read(row)))]),
        );
      say(rows.length < MOST ? '' : `the first ${MOST}: narrow the list for the others`);
    } catch {
      say('the collector did not answer; ask again');
    }
  };
  return (
    <span class="export">
      {(['csv', 'json'] as const).map((type) => (
        <button key={type} type="button" class="quiet" onClick={() => void write(type)}>
          {type.toUpperCase()}
        </button>
      ))}
      <span role="status">{said}</span>
    </span>
  );
}

/** Reads page after page. */
async function allOf(filters: Filters, read: (count: number) => void): Promise<readonly Shutdown[]> {
  const rows: Shutdown[] = [];
  for (let { before } = filters; rows.length < MOST; ) {
    const response = await fetch(`/page/shutdowns${queryOf({ ...filters, before })}`, { cache: 'no-store' });
    if (!response.ok) throw new Error(`${response.status}`);
    const { next, shutdowns } = (await response.json()) as ShutdownList;
    rows.push(...shutdowns);
    read(rows.length);
    if (next === null) break;
    before = String(next);
  }
  return rows.slice(0, MOST);
}
