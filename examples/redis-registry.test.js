// `node --test` holds the registry against the contract, on a Redis of its own.
import { test } from 'node:test';
import { contract, openRegistry } from 'lossless-lifecycle/registry';

const url = `${process.env.REDIS_URL}?module=./redis-registry.js`;
const subject = { open: () => openRegistry(url), heartbeatMs: 2_000 };

for (const { name, run } of contract(subject)) test(name, run);
