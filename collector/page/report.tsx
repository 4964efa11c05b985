import type { JSX } from 'preact';
import { valueIn } from '../../src/json.ts';
import type { ShownRelease } from '../../src/trace/model/shown.ts';
import { ReleaseView } from './release.tsx';

/** A release in a page that stands alone, with the store of the traces to which it links. */
export interface Report extends ShownRelease {
  readonly store: string;
  /** When the page was written, milliseconds since the Unix epoch. */
  readonly at: number;
}

/** The report that `lossless verify --html` has written into this page; undefined in the page of a collector. */
export function reportIn(page: Document): Report | undefined {
  const text = page.getElementById('release')?.textContent;
  return text ? (valueIn(text) as Report) : undefined;
}

export function ReportPage({ report }: { readonly report: Report }): JSX.Element {
  const { at, release, store } = report;
  return (
    <>
      <header class="top">
        <h1>
          {release.service} {release.version && `release ${release.version}`}
        </h1>
        {release.namespace && <span class="kind">{release.namespace}</span>}
      </header>
      <main>
        <ReleaseView shown={report} now={at} hrefOf={(traceId) => `${store}/trace/${traceId}`} />
        <footer class="foot">
          as <code>lossless verify</code> saw it at {new Date(at).toISOString()}; its links lead to{' '}
          <a href={store}>{store}</a>
        </footer>
      </main>
    </>
  );
}
