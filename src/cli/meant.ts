import { type ControlHolder, controlHolders } from '../control/control-file.ts';
import { LosslessError } from '../errors.ts';

/** Which instance a command is meant for, as far as it is named. */
export interface Meant {
  readonly service?: string;
  readonly instance?: string;
}

/**
 * The one instance on this machine that is meant; undefined when none has said that it runs here.
 *
 * @param directory where instances say which control port they have
 * @throws LosslessError LOSSLESS_USAGE when it could be more than one: the wrong one would leave
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

/** `path` with the names of who is meant, so that another instance refuses it. */
export function aimed(path: string, meant: Meant): string {
  const query = new URLSearchParams({ ...meant }).toString();
  return query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
}
