/** Ways in which an application calls `provider` by grpc-js, by name; each returns the outcome. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type ChannelOptions,
  type ClientUnaryCall,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Word } from './echo.ts';
import { echoOf, grpcJs } from './libraries.ts';

const Echo = echoOf(grpcJs());

/** Names that a line on standard input gives the application. */
const lines = createInterface({ input: process.stdin });

/** Tries every call once, unless the scenario says otherwise. */
const ONCE: ChannelOptions = { 'grpc.enable_retries': 0 };

type Said = { readonly answer?: string; readonly status: string; readonly headers?: Record<string, unknown> };

function clientOf(options: ChannelOptions = ONCE, target = 'lossless:///provider'): InstanceType<typeof Echo> {
  return new Echo(target, credentials.createInsecure(), options);
}

/** @param onCall called with the call once it has begun */
function say(
  client: InstanceType<typeof Echo>,
  word: Word,
  metadata = new Metadata(),
  options: object = {},
  onCall: (call: ClientUnaryCall) => void = () => {},
): Promise<Said> {
  return new Promise((resolve) => {
    let headers: Record<string, unknown> | undefined;
    const call = client['say']?.(word, metadata, options, (error: ServiceError | null, answer?: Word) =>
      resolve({
        status: status[error?.code ?? 0] ?? '',
        ...(answer && { answer: answer.text }),
        ...(headers && { headers }),
      }),
    ) as ClientUnaryCall;
    call.on('metadata', (received: Metadata) => {
      const { authority, echo } = received.getMap();
      headers = { authority, echo };
    });
    onCall(call);
  });
}

/** A service configuration with a policy of the one method, without load balancing of its own. */
function policy(of: object): ChannelOptions {
  return { 'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{ service: 'echo.Echo' }], ...of }] }) };
}

const word = (text: string, ms = 0): Word => ({ text, ms });

/** Collects garbage; returns how many of the objects are gone. */
function collected(refs: readonly WeakRef<object>[]): number {
  globalThis.gc?.();
  return refs.filter((ref) => ref.deref() === undefined).length;
}

export const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  async metadata() {
    const metadata = new Metadata();
    metadata.add('echo', 'one');
    return say(clientOf(), word('x'), metadata);
  },
  /** Calls through an interceptor of the application. */
  async intercepted() {
    const adding: Interceptor = (options, next) =>
      new InterceptingCall(next(options), {
        start: (metadata, listener, go) => {
          metadata.add('echo', 'intercepted');
          go(metadata, listener);
        },
      });
    return say(clientOf({ ...ONCE, interceptors: [adding] } as ChannelOptions), word('x'));
  },
  async authority() {
    return say(clientOf({ ...ONCE, 'grpc.default_authority': 'shop.example' }), word('x'));
  },
  async deadline() {
    return say(clientOf(), word('x', 5_000), undefined, { deadline: Date.now() + 300 });
  },
  async cancelled() {
    return say(clientOf(), word('x', 5_000), undefined, {}, (call) => setTimeout(() => call.cancel(), 300));
  },
  async retried() {
    const retryPolicy = {
      maxAttempts: 3,
      initialBackoff: '0.05s',
      maxBackoff: '0.1s',
      backoffMultiplier: 1,
      retryableStatusCodes: ['UNAVAILABLE'],
    };
    return say(clientOf(policy({ retryPolicy })), word('again'));
  },
  async hedged() {
    const hedgingPolicy = { maxAttempts: 2, hedgingDelay: '0.1s', nonFatalStatusCodes: ['UNAVAILABLE'] };
    const client = clientOf(policy({ hedgingPolicy }));
    // Both instances are connected then, and earlier hedged calls have ended.
    for (let n = 0; n < 10; n++) {
      await say(client, word('x'));
      await pause(100);
    }
    console.log('connected');
    await once(lines, 'line');
    return say(client, word('x', 1_000));
  },
  async gathered() {
    return new Promise((resolve) => {
      const call = clientOf()['gather']?.((error: ServiceError | null, answer?: Word) =>
        resolve({ status: status[error?.code ?? 0], answer: answer?.text }),
      );
      for (const text of ['one', 'two', 'three']) call.write(word(text));
      call.end();
    });
  },
  async chatted() {
    const call = clientOf()['chat']?.();
    const heard: string[] = [];
    call.on('data', ({ text }: Word) => heard.push(text));
    for (const text of ['one', 'two']) call.write(word(text));
    call.end();
    await once(call, 'end');
    return heard;
  },
  /** One call that waits for the first instance (`waitForReady`), and one that does not. */
  async waiting() {
    const [patient, hasty] = [clientOf(), clientOf()];
    const waits = say(patient, word('x'), new Metadata({ waitForReady: true }));
    const { status: refused } = await say(hasty, word('x'));
    console.log('refused');
    return { refused, ...(await waits) };
  },
  /** A call in progress when the application closes its channel, and one after that. */
  async closed() {
    const client = clientOf();
    // A call that still waits for a connection would be refused.
    await say(client, word('connected'));
    const inProgress = say(client, word('x', 500), undefined, {}, () => setTimeout(() => client.close(), 200));
    const { status: first, answer } = await inProgress;
    const after = await Promise.resolve()
      .then(() => say(client, word('y')))
      .then(
        (said) => said.status,
        (thrown: Error) => thrown.message,
      );
    return { first, answer, after };
  },
  async 'made and closed again and again'() {
    const refs: WeakRef<object>[] = [];
    for (let n = 0; n < 200; n++) {
      const client = clientOf();
      refs.push(new WeakRef(client.getChannel()));
      await say(client, word('x'));
      client.close();
    }
    // Objects that are just ending may hold the last few.
    for (let n = 0; n < 50 && collected(refs) < 190; n++) await pause(100);
    return collected(refs) >= 190;
  },
  async 'two versions'() {
    const others = grpcJs('grpc-js-1.12');
    const older = new (echoOf(others))('lossless:///provider', others.credentials.createInsecure());
    const answered = await new Promise<string>((resolve) =>
      older['say']?.(word('y'), (error: ServiceError | null, answer?: Word) =>
        resolve(answer?.text ?? String(error?.code)),
      ),
    );
    const { answer } = await say(clientOf(), word('x'));
    return { older: answered, newer: answer };
  },
  /** A stream of the server that outlasts the beginning of its instance's offline, and calls meanwhile. */
  async repeating() {
    const client = clientOf();
    const ended = endOf(client['repeat']?.(word('x', 2_500)));
    const calls = await callsMeanwhile(client, () => {});
    return { stream: await ended, calls };
  },
  /** The same with a stream of the client. */
  async gathering() {
    const client = clientOf();
    const answered = Promise.withResolvers<string>();
    const stream = client['gather']?.((error: ServiceError | null, answer?: Word) =>
      answered.resolve(error === null ? `${answer?.text.length}` : (status[error.code] ?? '')),
    );
    stream.write(word('x'));
    console.log('streams');
    const calls = await callsMeanwhile(client, () => stream.write(word('x')));
    stream.end();
    return { stream: await answered.promise, calls };
  },
  /** The same with a stream of both sides. */
  async chatting() {
    const client = clientOf();
    const stream = client['chat']?.();
    let heard = 0;
    stream.on('data', () => heard++);
    const ended = endOf(stream);
    stream.write(word('x'));
    const calls = await callsMeanwhile(client, () => stream.write(word('x')));
    stream.end();
    return { stream: await ended, heard, calls };
  },
};

/** The status with which a stream ends. Prints `streams` at its first word. */
function endOf(stream: Readable): Promise<string> {
  stream.once('data', () => console.log('streams'));
  stream.on('data', () => {});
  return new Promise((resolve) => {
    stream.on('error', (error) => resolve(status[(error as ServiceError).code] ?? ''));
    stream.on('end', () => resolve('OK'));
  });
}

/** Calls again and again once the instance of a stream leaves. @param also called with each call */
async function callsMeanwhile(client: InstanceType<typeof Echo>, also: () => void): Promise<readonly string[]> {
  await once(lines, 'line');
  const calls: Promise<Said>[] = [];
  for (let n = 0; n < 50; n++) {
    calls.push(say(client, word('x')));
    also();
    await pause(20);
  }
  return [...new Set((await Promise.all(calls)).map((said) => said.status))];
}
