import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MODULE } from '../../config/registries.ts';
import { asError, LosslessError } from '../../errors.ts';
import { isObject, type Json } from '../../json.ts';
import { within } from '../../lifecycle/within.ts';
import type { AdapterContext } from '../context.ts';
import type { Registry } from '../registry.ts';
import { ServerRegistry } from '../server-registry.ts';
import { backendOf, type RegistryBackend } from './backend.ts';
import { CheckedBackend } from './checked-backend.ts';

/** Longest time until a module is loaded and its backend open, in milliseconds. */
const OPEN_MS = 10_000;

/**
 * A registry whose calls a module of the application, or a package, makes.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_MODULE
 */
export async function moduleRegistry(url: URL, context: AdapterContext): Promise<Registry> {
  const { clock, log, secrets } = context;
  const specifier = url.searchParams.get(MODULE) ?? '';
  for (const password of [url.password, unescaped(url.password)]) secrets.add(password);
  const fail = (what: string, thrown?: unknown): never => {
    const why = thrown === undefined ? '' : `: ${secrets.excerpt(asError(thrown).message)}`;
    throw new LosslessError('LOSSLESS_REGISTRY_MODULE', `${secrets.excerpt(specifier)} ${what}${why}`);
  };
  const open = async (): Promise<RegistryBackend> => {
    const exported = await load(specifier).catch((thrown) => fail('cannot be loaded', asError(thrown)));
    const { openBackend } = exported;
    if (typeof openBackend !== 'function')
      return fail(
        'does not export the function openBackend',
        `it exports ${Object.keys(exported).join(', ') || 'nothing'}`,
      );
    const opening = (async (): Promise<unknown> => openBackend(url, { log }))();
    const given = await opening.catch((thrown) => fail('does not open', asError(thrown)));
    try {
      return backendOf(given);
    } catch (thrown) {
      return fail(`gives no backend: ${asError(thrown).message}`);
    }
  };
  const backend = await within(clock, OPEN_MS, open(), () => fail(`has not opened within ${OPEN_MS} ms`));
  return new ServerRegistry(new CheckedBackend(url.protocol.slice(0, -1), backend, context), context);
}

/** Loads a package or a path, from the working directory, as `--import` of Node.js does. */
async function load(specifier: string): Promise<Json> {
  const exported: Json = await import(resolved(specifier));
  // The names that CommonJS exports are not always found by Node.js.
  const whole = exported['default'];
  return exported['openBackend'] === undefined && isObject(whole) ? whole : exported;
}

function resolved(specifier: string): string {
  try {
    return pathToFileURL(createRequire(join(process.cwd(), 'package.json')).resolve(specifier)).href;
  } catch (thrown) {
    // A package that can be imported only is found if it is installed beside this one.
    if (/^[./]/.test(specifier)) throw thrown;
    return specifier;
  }
}

/** A password may hold a percent sign that escapes nothing. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
