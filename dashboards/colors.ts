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

/** Values from which on a number has a colour; the first colour has no lower bound. */
export type Levels = readonly [color: string, ...more: (readonly [from: number, color: string])[]];

/** For numbers that are neither good nor bad. */
export const NEUTRAL: Levels = [COLORS.plain];

/** 0 is good, 1 and more is bad. */
export const FAULTS: Levels = [COLORS.ok, [1, COLORS.bad]];

/** 0 is good, 1 and more is a warning. */
export const CONCERNS: Levels = [COLORS.ok, [1, COLORS.warn]];

/** A share that is good only at 100 %. */
export const ALL_OR_BAD: Levels = [COLORS.bad, [1, COLORS.ok]];

/** 0 means no and is bad, 1 means yes. */
export const YES_OR_BAD: Levels = [COLORS.bad, [1, COLORS.ok]];

/** A share with an objective: bad below the objective, a warning just above. */
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

/** Levels for a count of this result: 0 is good for a bad result. */
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
