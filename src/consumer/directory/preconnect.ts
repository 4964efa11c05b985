import type { Clock } from '../../lifecycle/clock.ts';
import type { Facts } from '../../lifecycle/facts.ts';
import { within } from '../../lifecycle/within.ts';
import type { Directory } from './directory.ts';

/**
 * Longest wait for the lists, in milliseconds, by which they may delay the registration. A registry that does not tell them takes
 * no entry either, and when it is back, an instance that joined at once would not know where to send its first calls.
 */
const LISTS_MS = 10_000;

/** Longest time for the connections, in milliseconds, by which they may delay it further. */
const WITHIN_MS = 3_000;

/** Most connections: one for each instance, services in turn. */
const MOST = 100;

/** Prepares one connection to each instance of these services that takes requests. Failures are only counted. */
export async function preconnect(
  names: readonly string[],
  directory: Directory,
  clock: Clock,
): Promise<Facts['preconnect']> {
  const listed = Promise.all(names.map((name) => directory.listed(name)));
  await within(clock, LISTS_MS, listed, () => {});
  const end = clock.now() + WITHIN_MS;
  const routed = await Promise.all(names.map((name) => directory.route(name)));
  const services = [...new Set(routed.filter((service) => service !== undefined))];
  const targets = services
    .flatMap(({ preferred, name }) => preferred.map((endpoint, turn) => ({ endpoint, name, turn })))
    .sort((a, b) => a.turn - b.turn)
    .slice(0, MOST);
  const built = await Promise.allSettled(
    targets.map(({ endpoint, name }) => endpoint.prebuild(name, clock, end - clock.now())),
  );
  const connected = built.filter(({ status }) => status === 'fulfilled').length;
  return { services: services.length, planned: built.length, connected, failed: built.length - connected };
}
