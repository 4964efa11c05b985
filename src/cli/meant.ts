import { type ControlHolder, controlHolders } from '../control/control-file.ts';
import { LosslessError } from '../errors.ts';

/** The names by which the user chose the instance for a command. */
export interface Meant {
  readonly service?: string;
  readonly instance?: string;
}

/**
 * The only running instance on this machine that matches; undefined when none does.
 *
 * @param directory where instances write their control ports
 * @throws LosslessError LOSSLESS_USAGE when several match, because the wrong one could leave
 */
export function instanceMeant(directory: string, { service, instance }: Meant): ControlHolder | undefined {
  const [found, ...others] = controlHolders(directory).filter(
    (holder) =>
      (service === undefined || holder.service === service) &&
      (instance === undefined || holder.instanceId === instance),
  );
  if (found === undefined || others.length === 0) return found;
  const list = [found, ...others].map((holder) => `\n  ${holder.service} ${holder.instanceId}, port ${holder.port}`);
  throw new LosslessError(
    'LOSSLESS_USAGE',
    `expected one instance, ${list.length} run here; name one with --service, --instance or --port:${list.join('')}`,
  );
}

/** `path` with the names of the chosen instance, so that any other instance refuses the request. */
export function aimed(path: string, meant: Meant): string {
  const query = new URLSearchParams({ ...meant }).toString();
  return query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
}
