import type { Guard } from '../../guard.ts';
import type { Sink } from '../../lifecycle/journal.ts';

/** The used part of a `HealthImplementation`. */
interface Health {
  readonly statusMap: ReadonlyMap<string, string>;
  setStatus(service: string, status: string): void;
  addToServer(server: unknown): void;
}

/** The status that a gRPC client follows. */
const NOT_SERVING = 'NOT_SERVING';

/** Most instances of `HealthImplementation`: an application has one for each server. */
const MOST = 100;

/**
 * Health of the gRPC services that the package `grpc-health-check` reports: all are NOT_SERVING while this instance leaves,
 * whatever the application sets meanwhile. An undo restores the status that the application has set last.
 */
export class GrpcHealth {
  readonly #guard: Guard;
  readonly #instances = new Set<Health>();
  /** The status that the application has set for each service, by instance; undefined while the instance does not leave. */
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

  /** Subscribe it to the journal. */
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

  /** @returns the status to set now */
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

  /** This call writes to the watchers. */
  #tell(health: Health, service: string, status: string): void {
    const set = (): void => this.#set.call(health, service, status);
    this.#guard.attempt('the health of a service of gRPC', set, () => {});
  }
}
