// A worker of BullMQ, which serves no HTTP. When its instance leaves, the worker takes no new job and ends the running ones.
import { Worker } from 'bullmq';
import { onOffline } from 'lossless-lifecycle';
import { send } from './mail.js';

const connection = { host: process.env.REDIS_HOST, port: Number(process.env.REDIS_PORT) };
const worker = new Worker('mail', (job) => send(job.data), { connection, concurrency: 5 });

onOffline('mail worker', () => worker.close());
