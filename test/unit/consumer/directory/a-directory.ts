import { Directory, type DirectoryOptions } from '../../../../src/consumer/directory/directory.ts';
import { Quarantine } from '../../../../src/consumer/directory/quarantine.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';

/** A directory over a registry and a clock. Default: no isolation, no warm-up and no configured names. */
export function aDirectory(
  options: Pick<DirectoryOptions, 'clock' | 'registry'> & Partial<DirectoryOptions>,
): Directory {
  return new Directory({
    guard: watchedGuard().guard,
    quarantine: new Quarantine(options.clock, () => {}),
    warmup: { ms: 0, curve: 2 },
    services: [],
    log: () => {},
    prepare: async () => {},
    ...options,
  });
}
