import { randomUUID } from 'node:crypto';
import { Agent, createServer, request, type Server } from 'node:http';
import { encodeAck, encodeIdle } from '../../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, DRAINING_HEADER, encodeConsumer } from '../../../src/protocol/header.ts';
import { listening, portOf } from '../listening.ts';

/** How a consumer reacts to a GoAway. */
export type Manner = 'answers' | 'refuses' | 'hangs' | 'ends';

/** Many consumers in this process, each with a control server. */
export interface FakeConsumers {
  readonly goAways: number;
  /** Answers that carried the draining marker. */
  readonly markers: number;
  /** Each sends one more request. */
  call(): Promise<void>;
  /** Closes the connections to the provider, and the control servers of the consumers that end. */
  disconnect(): void;
  close(): void;
}

/** Makes consumers known to the provider at `port`: each sends one request, keeps its connection, and has a control server. */
export async function fakeConsumers(port: number, manners: readonly Manner[]): Promise<FakeConsumers> {
  const servers: Server[] = [];
  const agents: Agent[] = [];
  const ending: Server[] = [];
  const again: (() => Promise<boolean>)[] = [];
  let goAways = 0;
  let markers = 0;
  for (const manner of manners) {
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    const answered = Promise.withResolvers<void>();
    const server = createServer((request, response) => {
      if (request.method === 'GET') return void response.end('{}');
      goAways++;
      if (manner === 'hangs') return;
      response.write(encodeAck({ isolated: true, outstanding: 0 }));
      void answered.promise.then(() => {
        agent.destroy();
        response.end(encodeIdle({ idle: true, addresses: ['127.0.0.1:1', '127.0.0.1:2'] }));
      });
    });
    await listening(server);
    // Port 1, because another server may take a port that was free a moment ago.
    const control = manner === 'refuses' ? 1 : portOf(server);
    servers.push(server);
    if (manner === 'ends') ending.push(server);
    const header = encodeConsumer({ service: 'consumer', instanceId: randomUUID(), generation: 1, port: control });
    if (await call(port, agent, header)) markers++;
    answered.resolve();
    again.push(() => call(port, agent, header));
  }
  return {
    get goAways() {
      return goAways;
    },
    get markers() {
      return markers;
    },
    async call() {
      for (const each of again) await each();
    },
    disconnect() {
      for (const agent of agents) agent.destroy();
      for (const server of ending) server.close().closeAllConnections();
    },
    close() {
      for (const agent of agents) agent.destroy();
      for (const server of servers) server.close().closeAllConnections();
    },
  };
}

/** Resolves with whether the answer carried the draining marker. */
function call(port: number, agent: Agent, header: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const made = request(
      { port, host: '127.0.0.1', method: 'POST', path: '/', agent, headers: { [CONSUMER_HEADER]: header } },
      (response) => {
        response.resume().on('end', () => resolve(response.headers[DRAINING_HEADER] !== undefined));
      },
    );
    made.on('error', reject);
    made.end('x');
  });
}
