/** Consumers in a process of their own: `many-consumers.ts <port of the provider> <count> <dead>`. */
import { fakeConsumers, type Manner } from '../test/support/fakes/fake-consumers.ts';

const [port = 0, count = 0, dead = 0] = process.argv.slice(2).map(Number);

/** The dead ones: half refuse while their connection is open, half take the call and never answer. */
const manners = Array.from({ length: count }, (_, n): Manner => {
  if (n >= dead) return 'answers';
  return n % 2 === 0 ? 'refuses' : 'hangs';
});

process.on('disconnect', () => process.exit());
await fakeConsumers(port, manners);
process.send?.({ count });
