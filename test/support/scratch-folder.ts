import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new, empty folder; whoever makes it removes it. */
export class ScratchFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'lossless-'));

  /** Removes it with all that is in it, also while a process that was killed ends a write. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}
