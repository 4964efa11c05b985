import type { DataTransformerConfig } from '@grafana/grafana-foundation-sdk/dashboard';
import type { WorkName } from '../src/lifecycle/records.ts';
import { type AttributeName, spanName } from '../src/trace/schema.ts';

/** Title of a column and the attribute it shows. */
export type Columns = Readonly<Record<string, AttributeName>>;

/** Columns that Grafana makes of every span, by the title they get. */
const SPAN_COLUMNS = { serviceName: 'service', duration: 'duration' } as const;

/**
 * Makes a table of the spans of one kind out of the answer to a query for a trace, where the attributes of a span are one
 * cell of JSON: that cell becomes text, each attribute's JSON literal is cut out of it, and parsed.
 */
export function spanTable(work: WorkName, columns: Columns): readonly DataTransformerConfig[] {
  const keys = Object.keys(columns).map((_, index) => `c${index}`);
  return [
    { id: 'convertFieldType', options: { conversions: [{ targetField: 'tags', destinationType: 'string' }] } },
    {
      id: 'extractFields',
      options: { source: 'tags', format: 'regexp', regExp: attributePattern(Object.values(columns)), replace: false },
    },
    {
      id: 'convertFieldType',
      options: { conversions: keys.map((key) => ({ targetField: key, destinationType: 'other' })) },
    },
    {
      id: 'filterByValue',
      options: {
        type: 'include',
        match: 'all',
        filters: [{ fieldName: 'operationName', config: { id: 'equal', options: { value: spanName(work) } } }],
      },
    },
    { id: 'filterFieldsByName', options: { include: { names: [...Object.keys(SPAN_COLUMNS), ...keys] } } },
    {
      id: 'organize',
      options: {
        renameByName: {
          ...SPAN_COLUMNS,
          ...Object.fromEntries(Object.keys(columns).map((title, index) => [`c${index}`, title])),
        },
      },
    },
  ];
}

/** Makes bars of the one array that is left in the column `title`: one row for each of its numbers, with its place as `place`. */
export function barsOf(place: string, title: string): readonly DataTransformerConfig[] {
  return [
    { id: 'extractFields', options: { source: title, format: 'json', replace: true } },
    { id: 'transpose', options: { firstFieldName: place, restFieldsName: title } },
  ];
}

/** Captures the JSON literal of each attribute, in whatever order they stand; those that are missing stay undefined. */
function attributePattern(attributes: readonly AttributeName[]): string {
  const each = attributes.map((attribute, index) => {
    const key = attribute.replaceAll('.', '\\.');
    return `(?:(?=.*?\\{"key":"${key}","type":"\\w+","value":(?<c${index}>"(?:[^"\\\\]|\\\\.)*"|[^,}]*))|)`;
  });
  return `/^${each.join('')}/`;
}
