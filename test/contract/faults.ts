import { afterEach, describe, expect, test } from 'vitest';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { anInstance } from '../support/an-instance.ts';
import type { FaultProxy, SeenCall } from '../support/fakes/fault-proxy.ts';
import { pause, until } from '../support/until.ts';

/** What the suite needs of an adapter. */
export interface FaultSubject {
  /** Stands before the real server. */
  readonly proxy: () => Pick<FaultProxy, 'calls' | 'faults' | 'passed'>;
  /** A client through the proxy, its heartbeats `heartbeatMs` apart. */
  open(): Promise<Registry>;
  /** A client of the server itself. */
  direct(): Promise<Registry>;
  /** Calls that write an entry, that keep it alive, and that remove it. */
  readonly isWrite: (call: SeenCall) => boolean;
  readonly isBeat: (call: SeenCall) => boolean;
  readonly isRemoval: (call: SeenCall) => boolean;
  /** Removes the entry without the client that has registered it. */
  lose(instance: Instance): Promise<void>;
  /** Ends the real server at once; resolves with what starts it again. */
  kill(): Promise<() => Promise<void>>;
  readonly heartbeatMs: number;
}

/** Longer than the longest call: such a call is given up before it reaches the server. */
const TOO_LATE_MS = 4_000;

/**
 * What must hold when single calls are late, lost or cut off, and when the server is gone: an entry never comes back after
 * its removal, and none is left behind without a word.
 */
export function testFaults(name: string, subject: FaultSubject): void {
  describe(`faults of ${name}`, () => {
    const opened: Registry[] = [];
    const opening = async (registry: Promise<Registry>): Promise<Registry> => {
      opened.push(await registry);
      return registry;
    };
    afterEach(async () => {
      subject.proxy().faults = [];
      await Promise.all(opened.splice(0).map((registry) => registry.close()));
    });

    /** A client through the proxy, one beside it, and every list the latter has seen. */
    async function setUp() {
      const [registry, other] = await Promise.all([opening(subject.open()), opening(subject.direct())]);
      const instance = anInstance();
      // The service exists already, because a missing parent could keep an entry out.
      const former = anInstance({ service: instance.service });
      await other.register(former);
      await other.deregister(former);
      const lists: (readonly Instance[])[] = [];
      await other.watch(instance.service, (list) => lists.push(list));
      const shown = (): boolean => (lists.at(-1) ?? []).length > 0;
      return { registry, other, instance, lists, shown };
    }

    test('R28: a heartbeat in flight is awaited, and the entry does not come back', async () => {
      const { registry, other, instance, lists, shown } = await setUp();
      await registry.register(instance);
      await until(shown);
      const held = Promise.withResolvers<void>();
      subject.proxy().faults = [
        {
          when: (call) => {
            if (subject.isBeat(call)) held.resolve();
            return subject.isBeat(call);
          },
          delayMs: 1_000,
        },
      ];
      await held.promise;
      const calls = subject.proxy().calls.length;
      const began = performance.now();
      await registry.deregister(instance);
      expect(performance.now() - began).toBeGreaterThan(500);
      expect(await other.instances(instance.service)).toEqual([]);
      const removedAt = lists.length;
      await pause(subject.heartbeatMs * 3);
      expect(await other.instances(instance.service)).toEqual([]);
      expect(lists.slice(removedAt).flat()).toEqual([]);
      expect(
        subject
          .proxy()
          .calls.slice(calls)
          .filter((call) => subject.isBeat(call)),
      ).toEqual([]);
    });

    test('R28: a registration that reaches the server after the deregistration lists no instance', async () => {
      const { registry, other, instance, lists } = await setUp();
      subject.proxy().faults = [{ when: subject.isWrite, delayMs: TOO_LATE_MS }];
      const before = subject.proxy().passed.length;
      await expect(registry.register(instance)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      await registry.deregister(instance);
      expect(await other.instances(instance.service)).toEqual([]);
      await until(() =>
        subject
          .proxy()
          .passed.slice(before)
          .some((call) => subject.isWrite(call)),
      );
      await pause(500);
      expect(await other.instances(instance.service)).toEqual([]);
      expect(lists.flat()).toEqual([]);
    });

    test('a registration whose answer is lost is removed all the same', async () => {
      const { registry, other, instance } = await setUp();
      subject.proxy().faults = [{ when: subject.isWrite, dropAnswer: true }];
      await expect(registry.register(instance)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      subject.proxy().faults = [];
      await registry.deregister(instance);
      expect(await other.instances(instance.service)).toEqual([]);
      await pause(subject.heartbeatMs * 2);
      expect(await other.instances(instance.service)).toEqual([]);
    });

    test('an entry that is replaced is listed all the while, its heartbeat late or not', async () => {
      const { registry, other, instance, lists, shown } = await setUp();
      await registry.register(instance);
      await until(shown);
      const seen = lists.length;
      subject.proxy().faults = [{ when: subject.isBeat, delayMs: 1_500 }];
      const heavier = { ...instance, weight: 55 };
      await registry.register(heavier);
      await until(() => lists.at(-1)?.[0]?.weight === 55);
      expect(await other.instances(instance.service)).toEqual([heavier]);
      expect(lists.slice(seen).filter((list) => list.length !== 1)).toEqual([]);
      await registry.deregister(heavier);
    });

    test('a removal that fails once is tried again', async () => {
      const { registry, other, instance } = await setUp();
      await registry.register(instance);
      const state = { left: 1 };
      subject.proxy().faults = [{ when: (call) => subject.isRemoval(call) && state.left-- > 0, status: 500 }];
      await registry.deregister(instance);
      expect(state.left).toBeLessThan(0);
      expect(await other.instances(instance.service)).toEqual([]);
    });

    test('a removal that keeps failing is told, and no heartbeat keeps the entry alive', async () => {
      const { registry, other, instance } = await setUp();
      await registry.register(instance);
      subject.proxy().faults = [{ when: subject.isRemoval, status: 500 }];
      await expect(registry.deregister(instance)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      await until(async () => (await other.instances(instance.service)).length === 0);
    });

    test('an entry that the server has lost is put back, a heartbeat that fails is tried again', async () => {
      const { registry, other, instance } = await setUp();
      await registry.register(instance);
      await subject.lose(instance);
      await until(async () => (await other.instances(instance.service)).length === 1);
      const state = { left: 2 };
      subject.proxy().faults = [{ when: (call) => subject.isBeat(call) && state.left-- > 0, status: 500 }];
      await until(() => state.left < 0);
      expect(await other.instances(instance.service)).toEqual([instance]);
      await registry.deregister(instance);
    });

    test('half an answer, or none in time, is a failure and not an empty list', async () => {
      const { registry, instance } = await setUp();
      await registry.register(instance);
      for (const fault of [{ status: 200 }, { cutAfter: 20 }, { drop: true }, { status: 500 }]) {
        subject.proxy().faults = [{ when: () => true, ...fault }];
        const began = performance.now();
        await expect(registry.instances(instance.service)).rejects.toMatchObject({
          code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
        });
        expect(performance.now() - began).toBeLessThan(6_000);
      }
      expect(registry.failure?.message).toBeDefined();
      subject.proxy().faults = [];
      expect(await registry.instances(instance.service)).toEqual([instance]);
      expect(registry.failure).toBeUndefined();
      await registry.deregister(instance);
    });

    test('a server that is killed: the last list stays, the failure is reported, and everything is back with the server', async () => {
      const { registry, other, instance, lists, shown } = await setUp();
      await registry.register(instance);
      await until(shown);
      const start = await subject.kill();
      const seen = lists.length;
      await until(() => registry.failure !== undefined && other.failure !== undefined);
      expect(other.failure).toMatchObject({
        since: expect.any(Number),
        message: expect.stringMatching(/ECONN|closed/),
      });
      await pause(2_000);
      expect(lists.slice(seen)).toEqual([]);
      await expect(other.instances(instance.service)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      await start();
      await until(async () =>
        other.instances(instance.service).then(
          (list) => list.length === 1,
          () => false,
        ),
      );
      await until(shown);
      await registry.deregister(instance);
      await until(() => !shown());
      expect(registry.failure).toBeUndefined();
    });
  });
}
