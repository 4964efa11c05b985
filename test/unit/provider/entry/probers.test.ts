import { describe, expect, test } from 'vitest';
import { Probers } from '../../../../src/provider/entry/probers.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** Probers that have asked each second for ten seconds, before an offline begins. */
async function probers(...addresses: readonly string[]) {
  const clock = new SimulatedClock();
  const subject = new Probers(clock, 3);
  for (let second = 0; second < 10; second++) {
    for (const address of addresses) subject.asked(address, '', false);
    await clock.advance(1_000);
  }
  subject.reset();
  return { clock, subject };
}

describe('probers', () => {
  test('know of the shutdown after as many failing answers as a balancer needs', async () => {
    const { clock, subject } = await probers('192.0.2.1');
    for (let n = 0; n < 3; n++) {
      expect(subject.about(() => true).toldAt).toBeUndefined();
      subject.asked('192.0.2.1', '', true);
      if (n < 2) await clock.advance(1_000);
    }
    expect(subject.about(() => true).toldAt).toBe(clock.now());
    expect(subject.about(() => true).failures).toBe(3);
  });

  test('count as informed after a silence of three of their intervals', async () => {
    const { clock, subject } = await probers('192.0.2.1');
    await clock.advance(1_990);
    expect(subject.about(() => true).toldAt).toBeUndefined();
    await clock.advance(20);
    expect(subject.about(() => true).toldAt).toBe(clock.now() - 10);
  });

  test('all know when the last of them knows', async () => {
    const { clock, subject } = await probers('192.0.2.1', '192.0.2.2');
    for (let n = 0; n < 3; n++) subject.asked('192.0.2.1', '', true);
    expect(subject.about(() => true).toldAt).toBeUndefined();
    await clock.advance(500);
    for (let n = 0; n < 3; n++) subject.asked('192.0.2.2', '', true);
    expect(subject.about(() => true).toldAt).toBe(clock.now());
  });

  test('a prober that has asked once has no interval: its silence says nothing', async () => {
    const clock = new SimulatedClock();
    const subject = new Probers(clock, 3);
    subject.asked('192.0.2.1', '', false);
    subject.reset();
    await clock.advance(60_000);
    expect(subject.about(() => true).toldAt).toBeUndefined();
  });

  test('answers of an undone offline do not count for the next one', async () => {
    const { subject } = await probers('192.0.2.1');
    for (let n = 0; n < 3; n++) subject.asked('192.0.2.1', '', true);
    subject.reset();
    expect(subject.about(() => true).toldAt).toBeUndefined();
    expect(subject.about(() => true).failures).toBe(0);
  });

  test('do not include a kubelet, nor a prober that has not asked for ten minutes', async () => {
    const { clock, subject } = await probers('192.0.2.1');
    subject.asked('192.0.2.9', 'kube-probe/1.32', false);
    expect(subject.about(() => true).count).toBe(1);
    await clock.advance(600_000);
    subject.reset();
    expect(subject.about(() => true).count).toBe(0);
  });

  test('a stranger with a new name for each check takes few places, and never the place of a real prober', async () => {
    const { clock, subject } = await probers('192.0.2.1');
    for (let n = 0; n < 10_000; n++) subject.asked('203.0.113.1', `agent ${n}`, true);
    await clock.advance(1_000);
    expect(subject.about(() => true).count).toBe(10);
    expect(subject.about((address) => address === '192.0.2.1')).toMatchObject({ count: 1, failures: 0 });
  });

  test('strangers at very many addresses take no more than 64 places', async () => {
    const { subject } = await probers('192.0.2.1');
    for (let n = 0; n < 10_000; n++) {
      subject.asked(`203.0.113.${n}`, '', true);
      if (n % 50 === 0) subject.asked('192.0.2.1', '', true);
    }
    expect(subject.about(() => true).count).toBe(64);
    expect(subject.has('192.0.2.1')).toBe(true);
  });
});
