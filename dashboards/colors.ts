import {
  type DynamicConfigValue,
  MappingType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { type ResultTone, toneOfResult } from '../src/lifecycle/tones.ts';

/** The colour of each tone, as Grafana names it. */
const COLORS: Readonly<Record<ResultTone, string>> = { ok: 'green', warn: 'orange', bad: 'red', plain: 'text' };

/** From which value on a number has which colour; the first from everywhere. */
export type Levels = readonly [color: string, ...more: (readonly [from: number, color: string])[]];

/** Numbers that are neither good nor bad. */
export const NEUTRAL: Levels = [COLORS.plain];

/** None is good, one is bad. */
export const FAULTS: Levels = [COLORS.ok, [1, COLORS.bad]];

/** None is good, one is worth a look. */
export const CONCERNS: Levels = [COLORS.ok, [1, COLORS.warn]];

/** A share of which only all is good. */
export const ALL_OR_BAD: Levels = [COLORS.bad, [1, COLORS.ok]];

/** 0 is no and bad, 1 is yes. */
export const YES_OR_BAD: Levels = [COLORS.bad, [1, COLORS.ok]];

/** A share of its objective: bad below it, worth a look just above. */
export function atLeast(objective: number, comfortable: number): Levels {
  return [COLORS.bad, [objective, COLORS.warn], [comfortable, COLORS.ok]];
}

export function thresholds([first, ...more]: Levels): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: first }, ...more.map(([value, color]) => ({ value, color }))]);
}

/** Levels for one of several numbers of a panel. */
export function countOf(levels: Levels): DynamicConfigValue[] {
  return [{ id: 'thresholds', value: thresholds(levels).build() }];
}

/** How a count of this result is coloured: none of what is bad is good. */
export function countColors(result: string): DynamicConfigValue[] {
  const tone = toneOfResult(result);
  const none = tone === 'bad' || tone === 'warn' ? COLORS.ok : COLORS.plain;
  return countOf([none, [1, COLORS[tone]]]);
}

/** The colour of the bars or the curve of this result. */
export function curveColor(result: string): DynamicConfigValue[] {
  return [{ id: 'color', value: { mode: 'fixed', fixedColor: COLORS[toneOfResult(result)] } }];
}

/** Results as words in a column of a table, each in its colour. */
export function wordsInColor(results: readonly string[]): DynamicConfigValue[] {
  const options = Object.fromEntries(
    results.map((result, index) => [result, { text: result, color: COLORS[toneOfResult(result)], index }]),
  );
  const mapping: ValueMapping = { type: MappingType.ValueToText, options };
  return [
    { id: 'mappings', value: [mapping] },
    { id: 'custom.cellOptions', value: { type: 'color-text' } },
  ];
}
