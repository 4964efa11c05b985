import type { DataTransformerConfig } from '@grafana/grafana-foundation-sdk/dashboard';
import type { WorkName } from '../src/lifecycle/facts.ts';
import { ATTRIBUTES, type AttributeName, type AttributeType, spanName } from '../src/trace/model/schema.ts';

/** Title of a column and the attribute it shows. */
export type Columns = Readonly<Record<string, AttributeName>>;

/** Columns that Grafana makes of every span, by the title they get. */
const SPAN_COLUMNS = { serviceName: 'service', duration: 'duration' } as const;

/** JSON of a string, without its quotes, and of anything else. Arrays are strings to Jaeger. */
const TEXT = '"(?<NAME>(?:[^"\\\\]|\\\\.)*)"';
const BARE = '(?<NAME>[^,}]*)';

/** How the value of an attribute stands in the JSON of Jaeger, and what Grafana makes of the text. */
const READ: Readonly<Record<AttributeType, { readonly pattern: string; readonly type?: 'number' | 'other' }>> = {
  string: { pattern: TEXT },
  int: { pattern: BARE, type: 'number' },
  double: { pattern: BARE, type: 'number' },
  boolean: { pattern: BARE },
  // With its quotes and escapes it is JSON of a string.
  'string[]': { pattern: '(?<NAME>"(?:[^"\\\\]|\\\\.)*")', type: 'other' },
  'int[]': { pattern: TEXT },
  'double[]': { pattern: TEXT },
};

/** Makes a table of the spans of one kind out of the answer to a query for a trace. */
export function spanTable(work: WorkName, columns: Columns): readonly DataTransformerConfig[] {
  const attributes = Object.values(columns);
  const conversions = attributes.flatMap((attribute, index) => {
    const { type } = READ[ATTRIBUTES[attribute].type];
    return type === undefined ? [] : [{ targetField: nameOf(index), destinationType: type }];
  });
  const titles = Object.fromEntries(Object.keys(columns).map((title, index) => [nameOf(index), title]));
  const renameByName = { ...SPAN_COLUMNS, ...titles };
  return [
    ...extracted(work, attributes),
    ...(conversions.length === 0 ? [] : [{ id: 'convertFieldType', options: { conversions } }]),
    { id: 'filterFieldsByName', options: { include: { names: Object.keys(renameByName) } } },
    { id: 'organize', options: { renameByName } },
  ];
}

/** Makes bars of an array of the one span of its kind: a row for each number, with its place in the column `place`. */
export function spanBars(
  work: WorkName,
  attribute: AttributeName,
  { place, title }: { readonly place: string; readonly title: string },
): readonly DataTransformerConfig[] {
  return [
    ...extracted(work, [attribute]),
    { id: 'extractFields', options: { source: nameOf(0), format: 'json', replace: true } },
    { id: 'transpose', options: { firstFieldName: place, restFieldsName: title } },
  ];
}

/** The attributes of a span are one cell of JSON: it becomes text, and their values are cut out of it. */
function extracted(work: WorkName, attributes: readonly AttributeName[]): readonly DataTransformerConfig[] {
  return [
    { id: 'convertFieldType', options: { conversions: [{ targetField: 'tags', destinationType: 'string' }] } },
    {
      id: 'extractFields',
      options: { source: 'tags', format: 'regexp', regExp: attributePattern(attributes), replace: false },
    },
    {
      id: 'filterByValue',
      options: {
        type: 'include',
        match: 'all',
        filters: [{ fieldName: 'operationName', config: { id: 'equal', options: { value: spanName(work) } } }],
      },
    },
  ];
}

/** Captures the value of each attribute, in whatever order they stand; those that are missing stay undefined. */
function attributePattern(attributes: readonly AttributeName[]): string {
  const each = attributes.map((attribute, index) => {
    const key = attribute.replaceAll('.', '\\.');
    const value = READ[ATTRIBUTES[attribute].type].pattern.replace('NAME', nameOf(index));
    return `(?:(?=.*?\\{"key":"${key}","type":"\\w+","value":${value})|)`;
  });
  return `/^${each.join('')}/`;
}

function nameOf(index: number): string {
  return `c${index}`;
}
