/** What a reader has chosen to see of a trace. The address of the page holds it, so a link shows the same. */
export interface View {
  /** The phase whose time is shown; empty for the whole trace. */
  readonly zoom: string;
  /** Searched text. */
  readonly find: string;
  /** Rows with open details, by span id. */
  readonly told: ReadonlySet<string>;
  /** Rows that were opened or closed by hand. */
  readonly open: ReadonlyMap<string, boolean>;
}

/** Most rows of each kind that an address keeps, so that it stays short enough for a link. */
const MOST = 40;

const SPAN_ID = /^[0-9a-f]{16}$/;

export function readView(search: string): View {
  const query = new URLSearchParams(search);
  const ids = (name: string): readonly string[] =>
    (query.get(name) ?? '').split(',', MOST).filter((id) => SPAN_ID.test(id));
  return {
    zoom: query.get('zoom') ?? '',
    find: (query.get('find') ?? '').slice(0, 200),
    told: new Set(ids('told')),
    open: new Map([
      ...ids('open').map((id) => [id, true] as const),
      ...ids('closed').map((id) => [id, false] as const),
    ]),
  };
}

/** The query of an address; empty when nothing was chosen. */
export function queryOf({ find, open, told, zoom }: View): string {
  const those = (isOpen: boolean): readonly string[] => [...open.keys()].filter((id) => open.get(id) === isOpen);
  const given = Object.entries({
    zoom,
    find,
    told: [...told].slice(0, MOST).join(','),
    open: those(true).slice(0, MOST).join(','),
    closed: those(false).slice(0, MOST).join(','),
  }).filter(([, value]) => value !== '');
  // A query may contain a plain comma.
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString().replaceAll('%2C', ',')}`;
}
