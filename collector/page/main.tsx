import { type JSX, render } from 'preact';
import { List } from './list.tsx';
import { Releases } from './release-list.tsx';
import { ReleasePage } from './release-page.tsx';
import { ReportPage, reportIn } from './report.tsx';
import { Shutdown } from './shutdown.tsx';

const page = document.getElementById('page');
if (page !== null) render(view(), page);

function view(): JSX.Element {
  const report = reportIn(document);
  if (report !== undefined) return <ReportPage report={report} />;
  const [, first, second, third] = location.pathname.split('/').map(decodeURIComponent);
  const query = new URLSearchParams(location.search);
  const namespace = query.get('namespace');
  if (first === 'trace' && second) return <Shutdown traceId={second} />;
  if (first === 'release' && second && third)
    return <ReleasePage service={second} name={third} beside={query.get('beside') ?? ''} namespace={namespace} />;
  return first === 'release' && second ? <Releases service={second} namespace={namespace} /> : <List />;
}
