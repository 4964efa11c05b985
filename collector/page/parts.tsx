import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Word } from './words.ts';

/** Characters of a value that are shown at first. */
const SHORT = 160;

/** A word with a colour and a mark that does not depend on it. */
export function Badge({ word: { text, tone } }: { readonly word: Word }): JSX.Element {
  return <span class={`badge ${tone}`}>{text}</span>;
}

/** A value as text: the beginning of a long one, and all of it on demand. */
export function Value({ text }: { readonly text: string }): JSX.Element {
  const [isOpen, open] = useState(false);
  if (text.length <= SHORT) return <span class="value">{text}</span>;
  return (
    <span class="value">
      {isOpen ? text : `${text.slice(0, SHORT)}…`}{' '}
      <button type="button" class="quiet" onClick={() => open(!isOpen)}>
        {isOpen ? 'less' : `all ${text.length.toLocaleString()} characters`}
      </button>
    </span>
  );
}

/** One named number or word. */
export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A problem of the connection to the collector, announced to screen readers too. */
export function Problem({ text }: { readonly text: string }): JSX.Element {
  return (
    <p class="problem" role="status">
      {text}
    </p>
  );
}
