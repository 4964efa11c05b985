import { type Agent, request } from 'node:http';
import { afterEach } from 'vitest';

/** A request; by default `GET /` on its own connection. */
export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Local address of the connection. */
  readonly from?: string;
  readonly agent?: Agent | false;
}

/** Resolves with the status; rejects when the connection breaks. */
function ask(port: number, { from = '127.0.0.1', agent = false, ...asked }: Asked = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...asked, host: '127.0.0.1', port, localAddress: from, agent });
    sent.once('error', reject).once('response', (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.end(asked.method === 'POST' ? 'x'.repeat(512) : undefined);
  });
}

/** Call once at the top of a test file: at the end of each test `keepAsking` stops, and the functions given to `atEnd` run. */
export function useAsking() {
  const ends: (() => void)[] = [];
  const atEnd = (end: () => void): void => void ends.push(end);
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** Asks again after each answer, until the test ends or the connection is refused. Counts answered and lost requests. */
  function keepAsking(port: number, how: () => Asked, pauseMs = 0) {
    const counted = { answered: 0, lost: [] as string[] };
    let goesOn = true;
    const run = async (): Promise<void> => {
      while (goesOn) {
        try {
          await ask(port, how());
          counted.answered++;
        } catch (thrown) {
          const { code = 'error' } = thrown as NodeJS.ErrnoException;
          if (code === 'ECONNREFUSED') return;
          counted.lost.push(code);
        }
        await new Promise((resolve) => (pauseMs === 0 ? setImmediate(resolve) : setTimeout(resolve, pauseMs)));
      }
    };
    void run();
    atEnd(() => {
      goesOn = false;
    });
    return counted;
  }

  return { ask, atEnd, keepAsking };
}
