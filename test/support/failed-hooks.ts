import { Guard } from '../../src/guard.ts';

/** A guard, and the names of the hooks that it reported as failed. */
export function watchedGuard(): { readonly guard: Guard; readonly failed: readonly string[] } {
  const failed: string[] = [];
  const guard = new Guard((_level, message) => void failed.push(message.replace(/: the application goes on .*/s, '')));
  return { guard, failed };
}

/** The hooks that a process reported as failed, one for each line. */
export function failedHooks(stderr: string): readonly string[] {
  return stderr
    .split('\n')
    .filter((line) => line.includes('LOSSLESS_HOOK_FAILED'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg.replace(/: the application goes on .*/s, ''));
}
