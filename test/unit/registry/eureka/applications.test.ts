import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { EurekaApplications } from '../../../../src/registry/eureka/applications.ts';
import { HttpClient } from '../../../../src/registry/http.ts';
import { listening, portOf } from '../../../support/listening.ts';
import { until } from '../../../support/until.ts';

type Entry = Readonly<Record<string, string>>;

/** Answers by path; a number is a status without an answer, a promise is awaited. */
let answers: Record<string, unknown>;
let asked: string[];
let server: Server;
let applications: EurekaApplications;
let laterMs: number;

beforeEach(async () => {
  answers = {};
  asked = [];
  laterMs = 0;
  server = createServer(async ({ url = '' }, response) => {
    asked.push(url);
    const answer = await answers[url];
    if (typeof answer === 'number') response.writeHead(answer).end();
    else response.end(JSON.stringify(answer));
  });
  await listening(server);
  const servers = [{ host: '127.0.0.1', port: portOf(server) }];
  const http = new HttpClient({ clock: systemClock, servers });
  const clock = { ...systemClock, wall: () => systemClock.wall() + laterMs };
  applications = new EurekaApplications({ clock, http, base: '', pollMs: 50 });
  applications.follow('A');
});
afterEach(async () => {
  applications.close();
  await new Promise((resolve) => server.close(resolve));
});

const of = (apps: Readonly<Record<string, readonly Entry[]>>, hash = ''): unknown => ({
  applications: {
    apps__hashcode: hash,
    application: Object.entries(apps).map(([name, instance]) => ({ name, instance })),
  },
});
const entry = (instanceId: string, status = 'UP', actionType = 'ADDED'): Entry => ({ instanceId, status, actionType });
const listed = (app = 'A'): string[] =>
  applications.entriesOf(app).map((found) => (found as Entry)['instanceId'] ?? '');

test('changes add, replace and remove entries', async () => {
  answers['/apps'] = of({ A: [entry('1'), entry('2'), entry('3')], B: [entry('1')] });
  await applications.refresh();
  answers['/apps/delta'] = of(
    { A: [entry('1', 'DOWN', 'MODIFIED'), entry('2', 'UP', 'DELETED'), entry('4')], C: [entry('5')] },
    'DOWN_1_UP_4_',
  );
  await applications.refresh();
  expect(asked).toEqual(['/apps', '/apps/delta']);
  expect(applications.entriesOf('A')).toEqual([entry('1', 'DOWN', 'MODIFIED'), entry('3'), entry('4')]);
  await applications.refresh();
  expect(asked).toEqual(['/apps', '/apps/delta', '/apps/delta']);
  expect(listed()).toEqual(['1', '3', '4']);
});

test('all is read whole when the counts differ, and when the server has no changes to tell', async () => {
  answers['/apps'] = of({ A: [entry('1')] });
  await applications.refresh();
  answers['/apps'] = of({ A: [entry('2')] });
  answers['/apps/delta'] = of({}, 'UP_2_');
  await applications.refresh();
  expect(asked).toEqual(['/apps', '/apps/delta', '/apps']);
  expect(listed()).toEqual(['2']);
  answers['/apps'] = of({ A: [entry('3')] });
  for (const status of [403, 404]) {
    answers['/apps/delta'] = status;
    await applications.refresh();
    expect(listed()).toEqual(['3']);
  }
});

test('after a failure all is read whole; until then the last one stays', async () => {
  answers['/apps'] = of({ A: [entry('1')] });
  await applications.refresh();
  for (const bad of [500, { no: 'list' }, [], 'text', { applications: { application: [null] } }]) {
    answers['/apps/delta'] = bad;
    answers['/apps'] = bad;
    await expect(applications.refresh()).rejects.toThrow();
    expect(listed()).toEqual(['1']);
  }
  answers['/apps'] = of({ A: [entry('2')] });
  answers['/apps/delta'] = of({}, 'UP_1_');
  const before = asked.length;
  await applications.refresh();
  expect(asked.slice(before)).toEqual(['/apps']);
  expect(listed()).toEqual(['2']);
});

test('after a long time without a read all is read whole', async () => {
  answers['/apps'] = of({ A: [entry('1')] });
  answers['/apps/delta'] = of({}, 'UP_1_');
  await applications.refresh();
  for (const ms of [100_000, 230_000, 0]) {
    laterMs = ms;
    await applications.refresh();
  }
  expect(asked).toEqual(['/apps', '/apps/delta', '/apps', '/apps']);
});

test('an application that is followed later is read whole', async () => {
  answers['/apps'] = of({ A: [entry('1')], B: [entry('2')] });
  await applications.refresh();
  applications.follow('B');
  applications.follow('B');
  await applications.refresh();
  expect(listed('B')).toEqual(['2']);
  answers['/apps/delta'] = of({}, 'UP_2_');
  await applications.refresh();
  expect(asked).toEqual(['/apps', '/apps', '/apps/delta']);
});

test('a refresh that is requested while another runs is made after it, once for all callers', async () => {
  const held = Promise.withResolvers<unknown>();
  answers['/apps'] = held.promise;
  answers['/apps/delta'] = of({}, '');
  const first = applications.refresh();
  await until(() => asked.length === 1);
  const others = [applications.refresh(), applications.refresh(), applications.refresh()];
  held.resolve(of({}));
  await Promise.all([first, ...others]);
  expect(asked).toEqual(['/apps', '/apps/delta']);
  await Promise.all([applications.next(), applications.next(), applications.next()]);
  expect(asked).toEqual(['/apps', '/apps/delta', '/apps/delta']);
});

test('a list of one may be the one itself, and none absent', async () => {
  answers['/apps'] = { applications: { application: { name: 'A', instance: entry('1') } } };
  await applications.refresh();
  expect(listed()).toEqual(['1']);
  answers['/apps/delta'] = { applications: { apps__hashcode: 'UP_1_' } };
  await applications.refresh();
  expect(asked).toEqual(['/apps', '/apps/delta']);
  expect(listed()).toEqual(['1']);
});

test('an unknown application is empty, and nothing is read after the end', async () => {
  expect(applications.entriesOf('A')).toEqual([]);
  applications.close();
  await expect(applications.refresh()).rejects.toThrow('ended by this process');
  expect(asked).toEqual([]);
});
