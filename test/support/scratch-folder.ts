import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new, empty folder, which its maker removes. */
export class ScratchFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'lossless-'));

  /** Removes it with its content, even while a killed process ends a write. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}
