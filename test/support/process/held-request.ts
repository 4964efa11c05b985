import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Service } from './world.ts';

/** A request that a service has begun to serve and cannot answer yet, so that an offline lasts while a test looks at it. */
export interface HeldRequest {
  /** Sends the rest of it. @returns the status of its answer */
  letGo(): Promise<number | undefined>;
}

/** Sends the head of a request to a service that reads the body before it answers. Resolves when the service has begun to serve it. */
export async function holdRequest({ port }: Pick<Service, 'port'>): Promise<HeldRequest> {
  const headers = { expect: '100-continue' };
  const asked = request({ port, host: '127.0.0.1', path: '/echo', method: 'POST', headers });
  const answered = once(asked, 'response');
  answered.catch(() => {});
  asked.flushHeaders();
  await once(asked, 'continue');
  return {
    letGo: async () => {
      asked.end('x');
      const [response] = (await answered) as [IncomingMessage];
      return response.resume().statusCode;
    },
  };
}
