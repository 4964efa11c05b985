import { describe, test } from 'vitest';
import { contract } from '../../src/registry/contract/contract.ts';
import type { Subject } from '../../src/registry/contract/subject.ts';

/**
 * The rules of a registry, which every adapter passes against the real thing.
 *
 * @param name of the adapter, as the reports show it
 */
export function testRegistry(name: string, subject: Subject): void {
  describe(`registry ${name}`, () => {
    for (const { name: rule, run } of contract(subject)) test(rule, run);
  });
}
