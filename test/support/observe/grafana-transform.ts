import type { Transformation } from './grafana.ts';
import type { Frame } from './grafana-jaeger.ts';

type Options = Readonly<Record<string, unknown>>;

/** The transformations of our panels, as Grafana 13 applies them to one frame; only `merge` takes several. */
const TRANSFORMATIONS: Readonly<Record<string, (frame: Frame, options: Options) => Frame>> = {
  convertFieldType(frame, { conversions }) {
    const converted = new Map(frame);
    for (const { targetField, destinationType } of conversions as { targetField: string; destinationType: string }[]) {
      const values = frame.get(targetField);
      if (values !== undefined)
        converted.set(
          targetField,
          values.map((value) => (value == null ? value : convert(value, destinationType))),
        );
    }
    return converted;
  },

  extractFields(frame, { source, format, regExp, replace }) {
    const values = frame.get(source as string) ?? [];
    const objects = values.map((value): Options => {
      if (typeof value !== 'string') return {};
      return format === 'json' ? (parsed(value) as Options) : { ...value.match(regexOf(regExp as string))?.groups };
    });
    const names = [...new Set(objects.flatMap((object) => Object.keys(object)))];
    return new Map([
      ...(replace ? [] : frame),
      ...names.map((name) => [name, objects.map((object) => object[name])] as const),
    ]);
  },

  filterByValue(frame, { filters }) {
    const [{ fieldName, config }] = filters as [{ fieldName: string; config: { options: { value: string } } }];
    const wanted = frame.get(fieldName)?.map((value) => value === config.options.value) ?? [];
    return new Map([...frame].map(([name, values]) => [name, values.filter((_, row) => wanted[row])]));
  },

  filterFieldsByName(frame, { include }) {
    const { names } = include as { names: readonly string[] };
    return new Map([...frame].filter(([name]) => names.includes(name)));
  },

  organize(frame, { renameByName = {}, excludeByName = {} }) {
    const renamed = renameByName as Readonly<Record<string, string>>;
    const excluded = excludeByName as Readonly<Record<string, boolean>>;
    return new Map(
      [...frame].filter(([name]) => !excluded[name]).map(([name, values]) => [renamed[name] ?? name, values]),
    );
  },

  sortBy(frame, { sort }) {
    const [{ field, desc }] = sort as [{ field: string; desc: boolean }];
    const by = (frame.get(field) ?? []) as readonly number[];
    const order = by.map((_, row) => row).sort((a, b) => ((by[a] ?? 0) - (by[b] ?? 0)) * (desc ? -1 : 1));
    return new Map([...frame].map(([name, values]) => [name, order.map((row) => values[row])]));
  },

  transpose(frame, { firstFieldName, restFieldsName }) {
    const rows = Math.max(0, ...[...frame.values()].map((values) => values.length));
    const columns = Array.from(
      { length: rows },
      (_, row) => [restFieldsName as string, [...frame.values()].map((values) => values[row])] as const,
    );
    return new Map([[firstFieldName as string, [...frame.keys()]], ...columns]);
  },
};

/** The frame that a panel shows of its answers. */
export function transform(frames: readonly Frame[], transformations: readonly Transformation[] = []): Frame {
  let frame = merged(frames);
  for (const { id, options } of transformations) {
    if (id === 'merge') continue;
    const change = TRANSFORMATIONS[id];
    if (change === undefined) throw new Error(`no transformation ${id}`);
    frame = change(frame, options);
  }
  return frame;
}

/** The rows of a frame, without undefined values. */
export function rowsOf(frame: Frame): readonly Readonly<Record<string, unknown>>[] {
  const count = Math.max(0, ...[...frame.values()].map((values) => values.length));
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries([...frame].flatMap(([name, values]) => (values[row] == null ? [] : [[name, values[row]]]))),
  );
}

function merged(frames: readonly Frame[]): Frame {
  const names = new Set(frames.flatMap((frame) => [...frame.keys()]));
  return new Map([...names].map((name) => [name, frames.flatMap((frame) => frame.get(name) ?? [])]));
}

function convert(value: unknown, type: string): unknown {
  if (type === 'number') return Number(value);
  return type === 'string' ? JSON.stringify(value) : parsed(value);
}

function parsed(value: unknown): unknown {
  try {
    return JSON.parse(value as string);
  } catch {
    return null;
  }
}

function regexOf(text: string): RegExp {
  const [, pattern = '', flags = ''] = /^\/(.*)\/(\w*)$/s.exec(text) ?? [];
  return new RegExp(pattern, flags);
}
