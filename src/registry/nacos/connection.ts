import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { asError } from '../../errors.ts';
import { type Server, tell } from '../../io/connect.ts';
import { suppressTracing } from '../../io/suppress.ts';
import { type Clock, sleep, type Timer } from '../../lifecycle/clock.ts';
import { hostPort } from '../../protocol/host-port.ts';
import { encodePayload, type Payload, PayloadReader } from './payload.ts';

/** Offset of the gRPC port of a server from its HTTP port (`SDK_GRPC_PORT_DEFAULT_OFFSET`). */
const OFFSET = 1_000;

/** Longest time until a call is answered, in milliseconds. */
const TIMEOUT_MS = 3_000;

/**
 * Interval of health checks, in milliseconds: half of the time after which Nacos checks a silent client (20 s) and drops it. They
 * also find a silently dead connection.
 */
const PROBE_MS = 10_000;

/** Interval of checks whether the server knows a new connection, in milliseconds. */
const LOOK_MS = 20;

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly server: Server;
  /** Undefined: `public`. */
  readonly namespace: string | undefined;
  readonly group: string;
  /** Comma-separated. */
  readonly clusters: string;
  /** Headers of each request, requested again because tokens end. */
  readonly headers: () => Readonly<Record<string, string>>;
}

/** A follower of a service. */
export interface Subscriber {
  /** Receives the whole list. */
  onHosts(hosts: readonly unknown[]): void;
  /** The connection has ended. */
  onEnd(): void;
}

type Body = Payload['body'];

/** A gRPC connection of Nacos 2 and later, over which the server sends the lists of services that have changed. */
export class NacosConnection {
  /** Settles when the connection has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #session: ClientHttp2Session;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  #probe: Timer;
  #stream: ClientHttp2Stream | undefined;

  private constructor(options: ConnectionOptions) {
    const { server, clock } = options;
    const { connect } = process.getBuiltinModule('node:http2');
    const grpc = hostPort({ host: server.host, port: server.port + OFFSET });
    this.#options = options;
    this.#session = suppressTracing(() => connect(`http://${grpc}`));
    this.#session.unref();
    this.#session.on('error', () => {});
    // A server that closes its connection has forgotten the subscribers.
    this.#session.once('goaway', () => this.close());
    this.#probe = clock.after(PROBE_MS, () => this.#probeNow());
    this.ended = new Promise((resolve) => this.#session.once('close', resolve));
    void this.ended.then(() => {
      this.#probe.cancel();
      for (const subscriber of [...this.#subscribers.values()].flatMap((all) => [...all])) subscriber.onEnd();
    });
  }

  /** @throws Error when the server has no such port, or does not speak like Nacos */
  static async open(options: ConnectionOptions): Promise<NacosConnection> {
    const connection = new NacosConnection(options);
    try {
      await connection.#setUp();
    } catch (thrown) {
      connection.close();
      throw thrown;
    }
    return connection;
  }

  /**
   * Delivers the current list and each later one. Resolves with a function that ends that.
   *
   * @throws Error when the server refuses, or answers without a list; nothing more is delivered then
   */
  async subscribe(service: string, subscriber: Subscriber): Promise<() => void> {
    const all = this.#subscribers.get(service) ?? new Set();
    this.#subscribers.set(service, all.add(subscriber));
    const stop = (): void => {
      if (!all.delete(subscriber) || all.size > 0) return;
      this.#subscribers.delete(service);
      this.#call('SubscribeServiceRequest', this.#subscription(service, false)).catch(() => {});
    };
    try {
      const { serviceInfo } = await this.#call('SubscribeServiceRequest', this.#subscription(service, true));
      subscriber.onHosts(hostsOf(serviceInfo));
    } catch (thrown) {
      stop();
      throw thrown;
    }
    return stop;
  }

  close(): void {
    this.#session.destroy();
  }

  async #setUp(): Promise<void> {
    await this.#call('ServerCheckRequest', {});
    this.#stream = this.#open('/BiRequestStream/requestBiStream', (payload) => this.#onPush(payload));
    this.#stream.once('close', () => this.close());
    this.#send('ConnectionSetupRequest', {
      clientVersion: 'lossless-lifecycle',
      tenant: this.#options.namespace ?? '',
      labels: { source: 'sdk', module: 'naming' },
      abilityTable: {},
    });
    await this.#known();
  }

  /**
   * Resolves when the server has recorded this connection, a moment after the set-up. Until then it refuses every call, and only
   * newer servers announce the moment.
   *
   * @throws Error when that is not so in time
   */
  async #known(): Promise<void> {
    const { clock } = this.#options;
    for (const begun = clock.now(); ; await sleep(clock, LOOK_MS))
      try {
        await this.#call('HealthCheckRequest', {});
        return;
      } catch (thrown) {
        if (this.#session.destroyed || clock.now() - begun >= TIMEOUT_MS) throw thrown;
      }
  }

  #subscription(serviceName: string, subscribe: boolean): Body {
    const { clusters, group: groupName, namespace = 'public' } = this.#options;
    return { namespace, serviceName, groupName, clusters, subscribe };
  }

  #onPush({ type, body }: Payload): void {
    if (!type.endsWith('Request')) return;
    const answer = { resultCode: 200, errorCode: 0, success: true, requestId: body['requestId'] };
    this.#send(type.replace(/Request$/, 'Response'), answer);
    if (type === 'ConnectResetRequest') this.close();
    if (type !== 'NotifySubscriberRequest') return;
    const info = body['serviceInfo'] as { readonly name?: unknown } | undefined;
    // Some versions put the group before the name.
    const service = String(info?.name ?? body['serviceName']).replace(/^.*@@/, '');
    for (const subscriber of this.#subscribers.get(service) ?? []) subscriber.onHosts(hostsOf(info));
  }

  #send(type: string, body: Body): void {
    this.#stream?.write(encodePayload({ type, body }, this.#options.headers()));
  }

  /** @throws Error when it is refused, or not answered in time */
  #call(type: string, body: Body): Promise<Body> {
    return new Promise((resolve, reject) => {
      // First, because Node.js 22 throws here when the connection has ended.
      const stream = this.#open('/Request/request', ({ body: answer }) => {
        late.cancel();
        if (answer['resultCode'] === 200) resolve(answer);
        else fail(String(answer['message']).slice(0, 200));
      });
      const late = this.#options.clock.after(TIMEOUT_MS, () => fail(`no answer within ${TIMEOUT_MS} ms`));
      const fail = (why: string): void => {
        late.cancel();
        reject(new Error(`${type}: ${why}`));
        stream.close();
      };
      stream.once('error', (error) => fail(tell(error)));
      stream.once('close', () => fail('the connection was closed before the answer was complete'));
      stream.end(encodePayload({ type, body }, this.#options.headers()));
    });
  }

  #open(path: string, onPayload: (payload: Payload) => void): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const reader = new PayloadReader();
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const payload of reader.read(chunk)) onPayload(payload);
      } catch (thrown) {
        stream.destroy(asError(thrown));
      }
    });
    stream.on('error', () => {});
    return stream;
  }

  #probeNow(): void {
    this.#call('HealthCheckRequest', {}).then(
      () => {
        if (!this.#session.destroyed) this.#probe = this.#options.clock.after(PROBE_MS, () => this.#probeNow());
      },
      () => this.close(),
    );
  }
}

/** @throws Error when it is not a list */
function hostsOf(info: unknown): readonly unknown[] {
  const { hosts } = (info ?? {}) as { readonly hosts?: unknown };
  if (!Array.isArray(hosts)) throw new Error('`hosts` is not a list');
  return hosts;
}
