import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { lossless } from '../support/process/cli.ts';
import { ask } from '../support/process/operator.ts';
import { type Service, useWorld } from '../support/process/world.ts';

const world = useWorld();

const SECRET = 'a secret of the fleet';

/** `terminationGracePeriodSeconds`: the grace period and five seconds, as of deploy/kubernetes, in milliseconds. */
const GRACE_MS = 10_000;
const POD_MS = GRACE_MS + 5_000;

/** The address of kubelet and pod: an address of this machine other than loopback. */
const node = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

/** The forms of a preStop hook, each with what the kubelet gets of it. */
const FORMS: Readonly<Record<string, (service: Service, env: Readonly<Record<string, string>>) => Promise<unknown>>> = {
  none: async () => 'nothing',
  // In a pod the command finds one instance; here there are two, so the test names one.
  'exec: lossless offline --wait': async (service, env) => {
    const port = `${await world().controlPort(service)}`;
    return (await lossless(['offline', '--wait', '--port', port], world().env('provider', env))).code;
  },
  sleep: () => sleep(1_000, 'slept'),
  'httpGet with the bearer token': async (service, env) => httpGet(service, (await lossless(['token'], env)).stdout),
  'httpGet without': (service) => httpGet(service),
};

const EXPECTED: Readonly<Record<string, unknown>> = {
  none: 'nothing',
  'exec: lossless offline --wait': 0,
  sleep: 'slept',
  'httpGet with the bearer token': 202,
  'httpGet without': 403,
};

/** As the kubelet asks: from the address of the node, with the address of the pod as Host. */
async function httpGet(service: Service, token?: string): Promise<number> {
  const port = await world().controlPort(service);
  const headers = {
    host: '10.244.1.7:54199',
    'user-agent': 'kube-probe/1.33',
    ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
  };
  return (await ask(port, '/offline', { host: String(node), headers })).status;
}

test.each(Object.keys(FORMS))(
  'preStop %s, SIGTERM, and no KILL within the time of the pod: nothing is lost',
  async (form) => {
    if (form.startsWith('httpGet') && node === undefined) return;
    const env = {
      LOSSLESS_CONTROL_HOST: '::',
      LOSSLESS_GRACE_PERIOD_MS: `${GRACE_MS}`,
      ...(form !== 'httpGet without' && { LOSSLESS_SECRET: SECRET }),
    };
    const pods = [await world().service('provider', { env }), await world().service('provider', { env })] as const;
    const caller = await world().caller('http://provider/echo', 60, { env });
    await world().called(pods[0]);
    const begun = performance.now();
    expect(await FORMS[form]?.(pods[0], env)).toBe(EXPECTED[form]);
    // A container that has ended in its preStop gets no signal.
    if (pods[0].child.process.exitCode === null) pods[0].child.signal('SIGTERM');
    const ending = await pods[0].child.ends(POD_MS - (performance.now() - begun));
    expect([0, null]).toContain(ending.code);
    expect([null, 'SIGTERM']).toContain(ending.signal);
    expect((await world().trace(pods[0])).verdict.result).toBe('success');
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
  },
  60_000,
);
