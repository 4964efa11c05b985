import { deepEqual, equal, rejects } from 'node:assert/strict';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import { inOrder, Recorder, SLACK_MS, twins, until } from './seen.ts';
import type { Rule, Scene } from './subject.ts';

const UNAVAILABLE = { name: 'LosslessError', code: 'LOSSLESS_REGISTRY_UNAVAILABLE' };

/** One client registers one of two twins, another client watches their service. */
async function watched(open: Scene['open']) {
  const [watching, changing] = [await open(), await open()];
  const [first, second] = twins();
  await changing.register(first);
  const seen = new Recorder();
  await watching.watch(first.service, seen.listener);
  return { changing, first, second, seen, watching };
}

/** The rules about failing entries, registries and other processes. */
export const FAILURES: readonly Rule[] = [
  {
    name: 'an entry that cannot be read is passed over, and left alone',
    needs: 'corrupt',
    async holds({ open, subject }) {
      const { changing, first, second, seen, watching } = await watched(open);
      await subject.corrupt?.(first.service);
      deepEqual(await watching.instances(first.service), [first]);
      await changing.register(second);
      await seen.shows(inOrder([first, second]), watching.capabilities.lagMs + SLACK_MS);
      await changing.deregister(first);
      await seen.shows([second], watching.capabilities.lagMs + SLACK_MS);
    },
  },
  {
    name: 'when the registry fails, calls say so and a watch keeps the last good list',
    needs: 'breakDown',
    async holds({ open, subject }) {
      const { changing, first, second, seen, watching } = await watched(open);
      const mend = await subject.breakDown?.(first.service);
      await rejects(changing.register(second), UNAVAILABLE);
      await rejects(watching.instances(first.service), UNAVAILABLE);
      await rejects(
        watching.watch(first.service, () => {}),
        UNAVAILABLE,
      );
      await sleep(systemClock, watching.capabilities.lagMs * 3);
      deepEqual(seen.lists, [[first]]);
      await mend?.();
      await until(async () =>
        changing.register(second).then(
          () => true,
          () => false,
        ),
      );
      await seen.shows(inOrder([first, second]));
    },
  },
  {
    name: 'what another process registers is listed, and gone when it is killed',
    needs: 'otherProcess',
    async holds({ open, subject }) {
      const registry = await open();
      const [here, there] = twins();
      await registry.register(here);
      const seen = new Recorder();
      await registry.watch(here.service, seen.listener);
      const other = await subject.otherProcess?.(there);
      await seen.shows(inOrder([here, there]), registry.capabilities.lagMs + SLACK_MS);
      equal(registry.capabilities.expires, true);
      other?.kill();
      await seen.shows([here], (subject.expiryMs ?? 0) + SLACK_MS);
      deepEqual(await registry.instances(here.service), [here]);
    },
  },
];
