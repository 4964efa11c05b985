import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { freePort, serverProgram } from './built.ts';

const FLAGS = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Xmx256m',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
];

/** A Kafka broker that is its own controller, on free ports; it can be stopped and started again on them with its data. */
export class Kafka {
  /** Host and port. */
  readonly address: string;
  readonly #directory = new ScratchFolder();
  #child: Child | undefined;

  private constructor(port: number, controllerPort: number) {
    this.address = `127.0.0.1:${port}`;
    const properties = {
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `PLAINTEXT://${this.address},CONTROLLER://127.0.0.1:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://${this.address}`,
      'controller.listener.names': 'CONTROLLER',
      'log.dirs': join(this.#directory.path, 'data'),
      'num.partitions': 3,
      'offsets.topic.replication.factor': 1,
      'group.initial.rebalance.delay.ms': 0,
    };
    writeFileSync(
      this.#properties,
      Object.entries(properties)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
  }

  static async start(): Promise<Kafka> {
    const kafka = new Kafka(await freePort(), await freePort());
    const format = ['format', '-t', 'bG9zc2xlc3MtbGlmZWN5Yw', '-c', kafka.#properties];
    try {
      execFileSync('java', [...FLAGS, '-cp', classPath(), 'kafka.tools.StorageTool', ...format], { stdio: 'pipe' });
      await kafka.start();
    } catch (thrown) {
      await kafka.close();
      throw thrown;
    }
    return kafka;
  }

  get #properties(): string {
    return join(this.#directory.path, 'server.properties');
  }

  async start(): Promise<void> {
    this.#child = new Child('java', [...FLAGS, '-cp', classPath(), 'kafka.Kafka', this.#properties]);
    await this.#child.sees(/Kafka Server started/, 60_000);
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#directory.remove();
  }
}

function classPath(): string {
  return join(serverProgram('kafka'), '*');
}
