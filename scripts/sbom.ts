/** What the package brings along of others, said twice from one list: the notice beside each bundle, and the SBOM of all. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

interface Package {
  readonly name: string;
  readonly version: string;
  /** An identifier of SPDX. */
  readonly license: string;
  readonly description?: string;
}

interface Bundled extends Package {
  /** The text of the license. */
  readonly text: string;
}

export function packageIn(directory: string): Package {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Package;
  const license: unknown = manifest.license;
  if (typeof license !== 'string' || !/^[\w.+-]+$/.test(license))
    throw new Error(`${directory}: expected one license by its name in SPDX, received ${JSON.stringify(license)}`);
  return manifest;
}

/** By built file: the packages of which code is in it, each version once; not those that were read and dropped. */
export function bundledPackages(outputs: Metafile['outputs']): ReadonlyMap<string, readonly Bundled[]> {
  const found = Object.entries(outputs).map(([file, { inputs }]) => {
    const paths = Object.keys(inputs).filter((path) => (inputs[path]?.bytesInOutput ?? 0) > 0);
    // The innermost `node_modules` of a path is that of its package: a package may have another version of its own.
    const directories = paths.flatMap((path) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
    const packages = new Map(
      [...new Set(directories)].map((directory) => {
        const text = readdirSync(directory).find((entry) => /^licen[sc]e/i.test(entry));
        if (text === undefined) throw new Error(`${directory}: expected the text of its license, found none`);
        const own = { ...packageIn(directory), text: readFileSync(join(directory, text), 'utf8').trimEnd() };
        return [purl(own), own] as const;
      }),
    );
    return [file, [...packages.keys()].sort().map((key) => packages.get(key) as Bundled)] as const;
  });
  return new Map(found.filter(([, packages]) => packages.length > 0));
}

/** The licenses of packages; a text that several have is there once, below all of them. */
export function notice(packages: readonly Bundled[]): string {
  return [...Map.groupBy(packages, ({ text }) => text)]
    .map(([text, of]) => `${of.map((one) => `${one.name} ${one.version} (${one.license})`).join('\n')}\n\n${text}\n`)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

/** CycloneDX 1.6, the same for the same packages: without a serial number and a time. */
export function sbom(
  own: Package,
  dependencies: readonly Package[],
  bundled: ReadonlyMap<string, readonly Package[]>,
): object {
  const packages = new Map([...dependencies, ...[...bundled.values()].flat()].map((one) => [purl(one), one]));
  const components = [...packages.keys()].sort().map((key) => {
    const files = [...bundled].filter(([, inside]) => inside.some((one) => purl(one) === key));
    return {
      ...component(packages.get(key) as Package),
      // What is installed beside the package, at the place that the installer chooses, has none.
      ...(files.length > 0 && { evidence: { occurrences: files.map(([location]) => ({ location })) } }),
    };
  });
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { lifecycles: [{ phase: 'build' }], component: component(own) },
    components,
    dependencies: [{ ref: purl(own), dependsOn: [...packages.keys()].sort() }],
  };
}

function component(one: Package): object {
  const [name = '', group] = one.name.split('/').reverse();
  return {
    type: 'library',
    'bom-ref': purl(one),
    ...(group !== undefined && { group }),
    name,
    version: one.version,
    ...(one.description !== undefined && { description: one.description }),
    licenses: [{ license: { id: one.license } }],
    purl: purl(one),
  };
}

/** How scanners name a package of npm. */
function purl({ name, version }: Package): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}
