import type { Clock } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';
import { plainAddress } from '../../protocol/host-port.ts';
import type { GoAway } from '../../protocol/identity.ts';
import { addressKey } from '../../registry/address.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Consumer } from '../consumer.ts';

/** Longest time for the registry and for name resolution together, in milliseconds. */
const CHECK_MS = 2_000;

/** Most addresses a host name may have. */
const MOST_ADDRESSES = 64;

/** The sender of a GoAway: the named instance, another sender, or irrelevant because nothing here depends on it. */
export type Sender = 'named' | 'other' | 'irrelevant';

/**
 * Most concurrent checks that ask the registry or the resolver; further GoAways are refused, so that strangers cannot make this
 * process flood them.
 */
const MOST_CHECKS = 32;

/** Checks the senders of GoAways without a secret. */
export class SenderCheck {
  readonly #consumer: Consumer;
  readonly #registry: Registry;
  readonly #clock: Clock;
  #running = 0;

  constructor(consumer: Consumer, registry: Registry, clock: Clock) {
    this.#consumer = consumer;
    this.#registry = registry;
    this.#clock = clock;
  }

  /**
   * Whether a GoAway comes from the address at which the named instance is, or was a moment ago, registered. It is usually
   * deregistered by now, so the former list of this process comes first. When this process never had a list of the service, and
   * the registry does not know the instance, there is nothing to protect.
   */
  async check(provider: GoAway['provider'], remoteAddress: string): Promise<Sender> {
    const known = this.#consumer.hostsOf(provider);
    if (known !== undefined && isOneOf(known, remoteAddress)) return 'named';
    if (this.#running >= MOST_CHECKS) return 'other';
    this.#running++;
    try {
      if (known !== undefined && (await areNamesOf(this.#clock, known, remoteAddress))) return 'named';
      const hosts = await this.#registered(provider);
      if (isOneOf(hosts, remoteAddress) || (await areNamesOf(this.#clock, hosts, remoteAddress))) return 'named';
      return known === undefined && hosts.length === 0 ? 'irrelevant' : 'other';
    } finally {
      this.#running--;
    }
  }

  /** The same for the instances at the addresses that would be isolated. */
  async #registered(provider: GoAway['provider']): Promise<readonly string[]> {
    const addresses = new Set(this.#consumer.addressesOf(provider).map(addressKey));
    const listed = await orNone(this.#clock, this.#registry.instances(provider.service));
    return listed
      .filter((entry) => addresses.has(addressKey(entry)))
      .filter(({ generation, instanceId }) => generation === 0 || instanceId === provider.instanceId)
      .map(({ host }) => host);
  }
}

function isOneOf(hosts: readonly string[], remoteAddress: string): boolean {
  const remote = normalise(remoteAddress);
  return hosts.some((host) => normalise(host) === remote);
}

/** Whether one of the hosts is a name of this address. */
async function areNamesOf(clock: Clock, hosts: readonly string[], remoteAddress: string): Promise<boolean> {
  const remote = normalise(remoteAddress);
  const { lookup } = process.getBuiltinModule('node:dns/promises');
  const { isIP } = process.getBuiltinModule('node:net');
  const names = hosts.filter((host) => isIP(host) === 0);
  const resolved = await Promise.all(names.map((name) => orNone(clock, lookup(name, { all: true }))));
  return resolved.some((addresses) =>
    addresses.slice(0, MOST_ADDRESSES).some(({ address }) => normalise(address) === remote),
  );
}

/** One spelling for an address: IPv4 in IPv6 is IPv4, and all names of this machine are one. */
export function normalise(host: string): string {
  const plain = plainAddress(host.toLowerCase());
  return plain === 'localhost' || plain === '::1' || /^127(\.\d{1,3}){3}$/.test(plain) ? 'loopback' : plain;
}

/** The result in time; empty on failure. */
function orNone<T>(clock: Clock, work: Promise<readonly T[]>): Promise<readonly T[]> {
  const none = (): readonly T[] => [];
  return within(clock, CHECK_MS, work.catch(none), none);
}
