// A registry in Redis: a key for each instance, which expires without heartbeats, and for each service the ids of its instances.
// LOSSLESS_REGISTRY='redis://:password@127.0.0.1:6379?module=./redis-registry.js'
import { Redis } from 'ioredis';

const [BEAT_MS, TTL_MS, POLL_MS, FORGET_MS] = [2_000, 6_000, 500, 3_600_000];

const idsOf = (service) => `lossless:${service}`;
const keyOf = (service, id) => `lossless:${service}:${id}`;

export function openBackend({ hostname, port, password }, { log }) {
  const redis = new Redis({
    host: hostname,
    port: Number(port) || 6379,
    password: decodeURIComponent(password),
    // A call that has failed here must not write later.
    commandTimeout: 2_000,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', ({ message }) => log('debug', message));
  // The connection keeps no process alive.
  redis.on('connect', () => redis.stream.unref());

  const write = async (instance) => {
    const { service, instanceId } = instance;
    await redis
      .multi()
      .set(keyOf(service, instanceId), JSON.stringify(instance), 'PX', TTL_MS)
      .zadd(idsOf(service), Date.now(), instanceId)
      .zremrangebyscore(idsOf(service), 0, Date.now() - FORGET_MS)
      .exec();
  };
  const list = async (service) => {
    const ids = await redis.zrange(idsOf(service), 0, -1);
    const texts = ids.length === 0 ? [] : await redis.mget(ids.map((id) => keyOf(service, id)));
    return texts.filter((text) => text !== null).map((text) => JSON.parse(text));
  };

  return {
    title: 'Redis',
    address: `${hostname}:${port || 6379}`,
    capabilities: { push: false, lagMs: 2 * POLL_MS, expires: true },
    beatMs: BEAT_MS,
    write,
    beat: write,
    async remove({ service, instanceId }) {
      await redis.multi().del(keyOf(service, instanceId)).zrem(idsOf(service), instanceId).exec();
    },
    list,
    // One round: deliver the list, and return the wait until the next round.
    rounds: (service) => async (deliver) => {
      deliver(await list(service));
      return POLL_MS;
    },
    close: () => redis.disconnect(),
  };
}
