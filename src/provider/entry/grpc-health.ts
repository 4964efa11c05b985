import type { Guard } from '../../guard.ts';
import type { Sink } from '../../lifecycle/journal.ts';

/** What is used of an instance of `HealthImplementation`. */
interface Health {
  readonly statusMap: ReadonlyMap<string, string>;
  setStatus(service: string, status: string): void;
  addToServer(server: unknown): void;
}

/** What a client of gRPC goes by. */
const NOT_SERVING = 'NOT_SERVING';

/** Most instances that are told: an application has one for each server. */
const MOST = 100;

/**
 * Health of the services of gRPC, as the package `grpc-health-check` tells it: none of them serves while this instance leaves, whatever
 * the application says meanwhile. With an undo each has the status that it would have.
 */
export class GrpcHealth {
  readonly #guard: Guard;
  readonly #instances = new Set<Health>();
  /** What each service would have, by its instance; undefined while the instance does not leave. */
  #wanted: Map<Health, Map<string, string>> | undefined;
  #set: Health['setStatus'] = () => {};

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** @param exports of the package, in a version that has `HealthImplementation` (2 and later) */
  adopt(exports: unknown): void {
    const prototype = (exports as { HealthImplementation?: { prototype?: Partial<Health> } }).HealthImplementation
      ?.prototype;
    const { addToServer, setStatus } = prototype ?? {};
    if (prototype === undefined || addToServer === undefined || setStatus === undefined) return;
    const adopted = this.#guard.listener('HealthImplementation', (health: Health) => this.#adopted(health));
    const wish = (health: Health, service: string, status: string): string => this.#wish(health, service, status);
    this.#set = setStatus;
    prototype.addToServer = function (this: Health, server) {
      adopted(this);
      addToServer.call(this, server);
    };
    prototype.setStatus = function (this: Health, service, status) {
      setStatus.call(this, service, wish(this, service, status));
    };
  }

  /** To be subscribed to the journal. */
  readonly sink: Sink = (record) => {
    if (record.kind !== 'transition') return;
    if (record.trigger === 'offline') this.#leave();
    else if (record.trigger === 'online') this.#comeBack();
  };

  #adopted(health: Health): void {
    if (this.#instances.size >= MOST) return;
    this.#instances.add(health);
    if (this.#wanted !== undefined) this.#end(health);
  }

  /** @returns the status that it gets now */
  #wish(health: Health, service: string, status: string): string {
    const wanted = this.#wanted?.get(health);
    wanted?.set(service, status);
    return wanted === undefined ? status : NOT_SERVING;
  }

  #leave(): void {
    this.#wanted = new Map();
    for (const health of this.#instances) this.#end(health);
  }

  #end(health: Health): void {
    const wanted = new Map(health.statusMap);
    this.#wanted?.set(health, wanted);
    for (const service of wanted.keys()) this.#tell(health, service, NOT_SERVING);
  }

  #comeBack(): void {
    const wanted = this.#wanted ?? [];
    this.#wanted = undefined;
    for (const [health, statuses] of wanted)
      for (const [service, status] of statuses) this.#tell(health, service, status);
  }

  /** Who watches is written to in this very call. */
  #tell(health: Health, service: string, status: string): void {
    const set = (): void => this.#set.call(health, service, status);
    this.#guard.attempt('the health of a service of gRPC', set, () => {});
  }
}
