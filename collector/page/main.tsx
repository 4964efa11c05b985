import { render } from 'preact';
import { List } from './list.tsx';
import { Shutdown } from './shutdown.tsx';

const [, first, traceId] = location.pathname.split('/');
const page = document.getElementById('page');
if (page !== null)
  render(first === 'trace' && traceId ? <Shutdown traceId={decodeURIComponent(traceId)} /> : <List />, page);
