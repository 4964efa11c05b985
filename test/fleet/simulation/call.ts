import type { Idle } from '../../../src/protocol/identity.ts';
import type { Call, CallEnd, CallOptions, First } from '../../../src/provider/offline/goaway.ts';
import type { SimulatedConsumer } from './consumer.ts';
import type { Network } from './network.ts';

/** One call of a GoAway to a consumer over the simulated network. */
export function callOver(network: Network, consumer: SimulatedConsumer, options: CallOptions): Call {
  const { clock, timeoutMs } = options;
  const first = Promise.withResolvers<First>();
  const idle = Promise.withResolvers<Idle | undefined>();
  const late = clock.after(timeoutMs, () => first.resolve({ result: 'timeout', errorType: 'timeout' }));
  const hangUp = (why: CallEnd): void => {
    late.cancel();
    first.resolve({ result: why });
    idle.resolve(undefined);
  };
  const bring = (take: () => void): void => network.bring(consumer.number, take);
  bring(() => {
    const answer = consumer.receive(options);
    bring(() => {
      late.cancel();
      first.resolve({ result: 'acked', status: 200, ack: answer.ack });
    });
    void answer.idle.then((line) => bring(() => idle.resolve(line)));
  });
  return { first: first.promise, idle: idle.promise, hangUp };
}
