import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { serverProgram } from './built.ts';

/** A server in Java with its own directory; it can be stopped and started again. */
export class JavaServer {
  readonly #folder = new ScratchFolder();
  readonly #name: string;
  #child: Child | undefined;

  /** @param name folder of test/servers */
  constructor(name: string) {
    this.#name = name;
  }

  /** Its directory, which is removed with the server. */
  get directory(): string {
    return this.#folder.path;
  }

  /**
   * @param first jars that must come before all others
   * @param args properties of the virtual machine, the main class and its arguments
   */
  start(first: readonly string[], args: readonly string[]): Child {
    const jars = serverProgram(this.#name);
    const path = [...first, '*'].map((jar) => join(jars, jar)).join(':');
    const flags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx384m', `-Duser.home=${this.directory}`];
    this.#child = new Child('java', [...flags, '-cp', path, ...args], { cwd: this.directory });
    return this.#child;
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#folder.remove();
  }
}
