// The slow work in the examples of queues.
import { setTimeout as sleep } from 'node:timers/promises';

export async function send(mail) {
  console.log('begun', JSON.stringify(mail));
  await sleep(300);
  console.log('sent', JSON.stringify(mail));
}
