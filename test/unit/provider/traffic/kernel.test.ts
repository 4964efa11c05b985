import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Queues, queuesOf, unreadInKernel } from '../../../../src/provider/traffic/kernel.ts';
import { listening } from '../../../support/listening.ts';
import { until } from '../../../support/until.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

interface Row {
  readonly local: number;
  readonly remote?: number;
  readonly state?: number;
  readonly sent?: number;
  readonly received?: number;
  readonly inode?: number;
}

const hex = (number: number, digits: number): string => number.toString(16).toUpperCase().padStart(digits, '0');

/** A table as Linux writes it. */
function table(digits: number, rows: readonly Row[]): string {
  const address = hex(0x7f000001, digits);
  const lines = rows.map(({ local, remote = 0, state = 1, sent = 0, received = 0, inode = 1_234_567 }, index) =>
    [
      `${String(index).padStart(4)}:`,
      `${address}:${hex(local, 4)}`,
      `${address}:${hex(remote, 4)}`,
      hex(state, 2),
      `${hex(sent, 8)}:${hex(received, 8)}`,
      `00:00000000 00000000     0        0 ${inode} 1 0000000000000000 20 4 30 10 -1`,
    ].join(' '),
  );
  return `${HEAD}${lines.map((line) => `${line.padEnd(149)}\n`).join('')}`;
}

describe('unreadInKernel', () => {
  let folder: string;
  beforeEach(() => {
    folder = useScratchFolder();
  });

  const unread = (tcp: readonly Row[], tcp6: readonly Row[] = []): number => {
    writeFileSync(join(folder, 'tcp'), table(8, tcp));
    writeFileSync(join(folder, 'tcp6'), table(32, tcp6));
    return unreadInKernel(new Set([8080, 80]), folder);
  };

  test('a client that has begun to connect counts', () => {
    const connecting: readonly Row[] = [{ local: 8080, state: 3, inode: 0 }];
    expect(unread(connecting)).toBe(1);
    expect(unread([], connecting)).toBe(1);
  });

  test.each<[string, Row, number]>([
    ['a connection with bytes', { local: 8080, received: 300 }, 300],
    ['a connection that its client has ended', { local: 80, state: 8, received: 7 }, 7],
    ['a listener with connections that wait to be accepted', { local: 8080, state: 10, received: 2 }, 2],
    ['an empty connection', { local: 8080, sent: 50 }, 0],
    ['a port of another process', { local: 8081, received: 9 }, 0],
    ['a connection to such a port', { local: 40_000, remote: 8080, received: 9 }, 0],
    ['a port of this process towards the same port elsewhere', { local: 8080, remote: 8080, received: 9 }, 9],
    ['a closing connection', { local: 8080, state: 6, received: 9 }, 0],
  ])('counts the bytes of %s', (_, row, expected) => {
    expect(unread([{ local: 22 }, row, { local: 23, received: 5 }])).toBe(expected);
    expect(unread([], [{ local: 22 }, row, { local: 23, received: 5 }])).toBe(expected);
  });

  test('tables that do not exist hold nothing', () => {
    expect(unreadInKernel(new Set([80]), join(folder, 'none'))).toBe(0);
  });

  test('what the kernel of this machine says', async () => {
    // The test does not read from it, so arriving data waits in the kernel.
    const server = createServer({ pauseOnConnect: true });
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const port = await listening(server);
    const client = connect(port, '127.0.0.1');
    const [socket] = await accepted;
    expect(unreadInKernel(new Set([port]))).toBe(0);
    client.write('12345');
    await until(() => unreadInKernel(new Set([port])) === 5);
    client.destroy();
    socket.destroy();
    server.close();
  });

  test.each([
    ['of other processes', 9_000],
    ['of this process', 8_080],
  ])('50,000 rows %s are counted once each', (_, local) => {
    const rows = Array.from({ length: 50_000 }, (): Row => ({ local, remote: 9, received: 1 }));
    const expected = local === 8_080 ? 50_000 : 0;
    writeFileSync(join(folder, 'tcp'), table(8, rows));
    writeFileSync(join(folder, 'tcp6'), table(32, rows));
    const ports = new Set([8_080]);
    expect(unreadInKernel(ports, folder)).toBe(expected * 2);
  });
});

describe('queuesOf', () => {
  const LISTENER: Row = { local: 8080, state: 10, received: 1 };
  const QUEUED: Row = { local: 8080, remote: 40_000, inode: 0 };
  const GUEST: Row = { local: 40_000, remote: 8080 };
  const ALONE: Queues = { listeners: 1, queued: 1, handshakes: 0, guests: 1 };

  test.each<[string, readonly Row[], Queues]>([
    ['the guest alone', [LISTENER, QUEUED, GUEST], ALONE],
    ['nobody', [{ ...LISTENER, received: 0 }], { ...ALONE, queued: 0, guests: 0 }],
    [
      'a guest that is still connecting, and another client',
      [LISTENER, QUEUED, { ...GUEST, state: 2 }],
      { ...ALONE, guests: 0 },
    ],
    [
      'the guest, and a client whose handshake is under way',
      [LISTENER, QUEUED, GUEST, { local: 8080, state: 3, inode: 0 }],
      { ...ALONE, handshakes: 1 },
    ],
    [
      'the guest, and a client before it',
      [{ ...LISTENER, received: 2 }, QUEUED, QUEUED, GUEST],
      { ...ALONE, queued: 2 },
    ],
    [
      'the guest, and no request of an open connection',
      [LISTENER, QUEUED, GUEST, { local: 8080, received: 90 }],
      ALONE,
    ],
    ['nothing that the kernel shows', [], { listeners: 0, queued: 0, handshakes: 0, guests: 0 }],
  ])('the queue holds %s', (_, rows, expected) => {
    const folder = useScratchFolder();
    writeFileSync(join(folder, 'tcp'), table(8, rows));
    writeFileSync(join(folder, 'tcp6'), table(32, []));
    expect(queuesOf(new Set([8080]), new Set([40_000]), folder)).toEqual(expected);
  });
});
