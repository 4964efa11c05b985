import { useRef, useState } from 'preact/hooks';

/** The effect of further keys. */
type Keys = Readonly<Record<string, () => unknown>>;

/** Keeps the focus on one row of a table, as in a tree (ARIA authoring practices): arrows, Home and End move it. */
export function useRows(keys: readonly string[], more: (key: string) => Keys) {
  const [active, setActive] = useState('');
  const body = useRef<HTMLTableSectionElement>(null);
  const current = keys.includes(active) ? active : keys[0];
  const focus = (key: string | undefined): void => {
    if (key === undefined) return;
    setActive(key);
    const rows = [...(body.current?.children ?? [])].filter((each) => each instanceof HTMLElement);
    rows.find((each) => each.dataset['key'] === key)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // Keys inside a row belong to the focused element there.
    if (current === undefined || !(event.target instanceof HTMLElement) || event.target.dataset['key'] === undefined)
      return;
    const index = keys.indexOf(current);
    const done = {
      ArrowDown: () => focus(keys[index + 1]),
      ArrowUp: () => focus(keys[index - 1]),
      Home: () => focus(keys[0]),
      End: () => focus(keys.at(-1)),
      ...more(current),
    }[event.key];
    if (done === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    done();
  };
  return { body, focus, onKeyDown, setActive, isCurrent: (key: string) => key === current };
}

/** The open rows after one is opened or closed. */
export function toggled(open: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const changed = new Set(open);
  if (!changed.delete(key)) changed.add(key);
  return changed;
}
