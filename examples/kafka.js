// A consumer of Kafka. When its instance leaves, the consumer takes no new message, and ends and commits the current one.
import { Consumer, stringDeserializers } from '@platformatic/kafka';
import { onOffline } from 'lossless-lifecycle';
import { send } from './mail.js';

const consumer = new Consumer({
  groupId: 'mail',
  bootstrapBrokers: [process.env.KAFKA_BROKER],
  deserializers: stringDeserializers,
});
const stream = await consumer.consume({
  topics: ['mail'],
  autocommit: false,
  mode: 'committed',
  fallbackMode: 'earliest',
});

async function work() {
  for await (const message of stream) {
    await send(message.value);
    await message.commit();
  }
}
const working = work();

onOffline('mail consumer', async () => {
  await stream.close();
  await working;
  await consumer.close(true);
});
