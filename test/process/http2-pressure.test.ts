import { expect, test } from 'vitest';
import { Http2Client } from '../support/fakes/http2-client.ts';
import { entered } from '../support/process/announced.ts';
import { LINES } from '../support/process/node-lines.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

/** Clients that leave their answers unread, and clients that read them. */
const BLOCKED = 100;
const OPEN = 900;

/** What `/large` answers. */
const BYTES = 8_388_608;

/** The last stream in a GOAWAY frame of the notice, and of the end. */
const NOTICE = 2 ** 31 - 1;
const ONLY = 1;

test.each(LINES)(
  'a thousand HTTP/2 sessions, a hundred of them under back-pressure, are asked to go on Node.js %s',
  async (line) => {
    const service = await world().service('provider', { kind: 'h2c', line, env: { LOSSLESS_HOLD_MS: '2000' } });
    const clients = (path: string, length: number) => Array.from({ length }, () => new Http2Client(service.port, path));
    const [blocked, open] = [clients('/large', BLOCKED), clients('/echo', OPEN)];
    for (const client of open) client.read();
    await until(
      async () => (await world().served(service)) >= BLOCKED + OPEN && open.every(({ hasEnded }) => hasEnded),
    );
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    await until(() => open.every(({ goaways }) => goaways.length > 0));
    for (const client of blocked) client.read();
    expect(await service.child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    const all = [...blocked, ...open];
    await Promise.all(all.map(({ closed }) => closed));
    expect(new Set(all.map(({ error }) => error))).toEqual(new Set([undefined]));
    expect(new Set(blocked.map(({ bytes, hasEnded }) => hasEnded && bytes))).toEqual(new Set([BYTES]));
    expect(new Set(open.map(({ goaways }) => goaways[0]))).toEqual(new Set([NOTICE]));
    // A client that has not read for too long is asked in one step.
    for (const { goaways } of blocked) expect([NOTICE, ONLY]).toContain(goaways[0]);
    for (const { goaways } of all) expect(goaways.at(-1)).toBe(ONLY);
    const trace = await world().trace(service);
    const { tags = {} } = spansOf(trace, 'drain')[0] ?? {};
    expect(tags['lossless.drain.inflight.start']).toBe(BLOCKED);
    expect(tags['lossless.drain.sessions.retired']).toBe(BLOCKED + OPEN);
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true });
  },
);
