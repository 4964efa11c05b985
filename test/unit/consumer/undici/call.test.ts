import { createServer, type Server } from 'node:http';
import { Readable } from 'node:stream';
import { Agent, buildConnector, Dispatcher, request } from 'undici';
import { expect, test } from 'vitest';
import { Quarantine } from '../../../../src/consumer/directory/quarantine.ts';
import { Service } from '../../../../src/consumer/directory/service.ts';
import { Agents } from '../../../../src/consumer/undici/agents.ts';
import { UndiciCall } from '../../../../src/consumer/undici/call.ts';
import type { BuildConnector } from '../../../../src/consumer/undici/connector.ts';
import { NO_SETTINGS } from '../../../../src/consumer/undici/settings.ts';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';
import { useServer } from '../../../support/use-server.ts';

async function start(instanceId: string, gate: Promise<void>): Promise<{ instance: Instance; server: Server }> {
  const server = createServer(async (received, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of received) chunks.push(chunk as Buffer);
    await gate;
    response.end(`${instanceId} ${Buffer.concat(chunks)}`);
  });
  const port = await useServer(server);
  return { server, instance: anInstance({ service: 's', instanceId, generation: 1, port, registeredAt: 0 }) };
}

test('requests queued for an isolated instance go to another one, with any kind of body', async () => {
  const gate = Promise.withResolvers<void>();
  const [{ instance: a, server }, { instance: b }] = [
    await start('a', gate.promise),
    await start('b', Promise.resolve()),
  ];
  const quarantine = new Quarantine(systemClock, () => {});
  const { guard } = watchedGuard();
  const service = new Service('s', { guard, clock: systemClock, quarantine, warmup: { ms: 0, curve: 2 } });
  service.apply([a]);
  const context = {
    clock: systemClock,
    guard,
    header: undefined,
    route: () => service,
    marked: () => {},
  };
  const Single = class extends Agent {
    constructor(given?: object) {
      super({ ...given, connections: 1 });
    }
  };
  const agents = new Agents({
    guard,
    clock: systemClock,
    Agent: Single,
    settings: NO_SETTINGS,
    parts: { buildConnector: buildConnector as BuildConnector },
    http2: true,
  });
  const dispatcher = new (class extends Dispatcher {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      return new UndiciCall(context, agents, service, options, handler).send() ?? false;
    }
  })();
  const asyncBody = async function* () {
    yield Buffer.from('iterated');
  };
  const bodies = [
    'in flight',
    'text',
    Readable.from(['stream', 'ed']),
    Buffer.from('buffer'),
    asyncBody() as unknown as Readable,
  ];
  const answers = bodies.map(async (body) =>
    (await request('http://s/', { method: 'POST', body, dispatcher })).body.text(),
  );
  const [endpoint] = service.at(a);
  await new Promise<void>((resolve) => server.once('request', () => resolve()));
  service.apply([a, b]);
  quarantine.add(a, 30_000);
  service.invalidate();
  expect(endpoint?.outstanding).toBe(5);
  gate.resolve();
  expect(await Promise.all(answers)).toEqual(['a in flight', 'b text', 'b streamed', 'b buffer', 'b iterated']);
  await endpoint?.idle();
  expect(endpoint?.outstanding).toBe(0);
  quarantine.clear();
  service.close();
});
