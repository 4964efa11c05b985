import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { App, NODE_22, Provider } from '../fixtures/consumer/driver.ts';
import type { Echo } from '../fixtures/consumer/wire.ts';

const HEADER = '"service-a";id="consumer-1";gen=1;port=';

describe.each([
  ['this Node.js', process.execPath],
  ['Node.js 22.19', NODE_22],
])('calls to a service on %s', (_, execPath) => {
  let providers: Provider[] = [];
  let app: App;

  beforeAll(async () => {
    providers = await Promise.all([Provider.start('b1'), Provider.start('b2')]);
    const list = providers.map(({ instance }) => instance);
    app = await App.start({ 'service-b': list, 'orders.internal': list }, { execPath });
  });
  afterAll(() => Promise.all([...providers, app].map((child) => child.stop())));

  const clients = [
    'fetch',
    'fetchStream',
    'fetchForm',
    'fetchRequest',
    'undici',
    'http',
    'httpAgent',
    'httpNoAgent',
    'httpStream',
    'axios',
    'axiosAgent',
    'got',
  ];

  test.each(clients)('%s reaches every instance by its logical name, body whole, header present', async (client) => {
    const answers: Echo[] = [];
    for (let n = 0; n < 4; n++)
      answers.push(
        await app.run<Echo>(client, { url: 'http://service-b:8080/', method: 'POST', body: 'a body of some length' }),
      );
    expect(new Set(answers.map(({ instanceId }) => instanceId))).toEqual(new Set(['b1', 'b2']));
    for (const { body, headers } of answers) {
      expect(body).toContain('a body of some length');
      expect(headers['host']).toBe('service-b:8080');
      expect(headers['lossless-consumer']).toBe(`${HEADER}${app.port}`);
    }
  });
});
