import { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { canNotice, writeNotice } from '../../../../src/provider/offline/notice.ts';

/** A GOAWAY frame with the highest stream there can be. */
const FRAME = '0000080700000000007fffffff00000000';

function session({ encrypted = false, handle = { fd: 7, writeQueueSize: 0 } as object | null } = {}) {
  return { destroyed: false, encrypted, socket: Object.assign(new Socket(), { _handle: handle }) };
}

/** A clock that advances by a millisecond with each reading. */
function ticking() {
  let now = 0;
  return { now: () => now++ };
}

/** A kernel that takes so many bytes each time, and then none. */
function kernel(...takes: readonly number[]) {
  const bytes: Buffer[] = [];
  const left = [...takes];
  const write = (_fd: number, offered: Uint8Array): number => {
    const most = left.shift() ?? 0;
    if (most === 0) throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN' });
    const taken = offered.subarray(0, most);
    bytes.push(Buffer.from(taken));
    return taken.length;
  };
  return { write, hex: () => Buffer.concat(bytes).toString('hex') };
}

describe('a notice to an HTTP/2 session', () => {
  test.each([
    ['at once', [17], 'written', FRAME],
    ['in several parts', [5, 0, 9, 3], 'written', FRAME],
    ['not at all, when there is no room', [], 'impossible', ''],
    ['in part, which makes it useless', [5], 'torn', FRAME.slice(0, 10)],
  ])('is taken %s', (_, takes, noticed, hex) => {
    const { write, hex: written } = kernel(...takes);
    expect(writeNotice(session(), ticking(), write)).toBe(noticed);
    expect(written()).toBe(hex);
  });

  test('waits while something is queued', () => {
    const { write, hex } = kernel(17);
    expect(writeNotice(session({ handle: { fd: 7, writeQueueSize: 1 } }), ticking(), write)).toBe('waits');
    expect(hex()).toBe('');
  });

  test.each([
    ['under TLS', { encrypted: true }],
    ['without a connection of the operating system', { handle: null }],
    ['without a descriptor', { handle: { fd: -1, writeQueueSize: 0 } }],
  ])('is impossible %s', (_, shape) => {
    expect(canNotice(session(shape))).toBe(false);
  });
});
