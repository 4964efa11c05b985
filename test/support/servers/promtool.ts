import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ScratchFolder } from '../scratch-folder.ts';
import { prometheusProgram } from './prometheus.ts';

/** The generated rules. */
export const RULES = resolve(import.meta.dirname, '../../../dashboards/generated/alerts.yaml');

/** An alert that fires, without its state. */
export type Firing = Readonly<Record<string, string>>;

/** Minutes for which Prometheus has read the span metrics when a case begins: an hour, so that minute 5 is the sixth of its hour. */
const LEAD = 60;

/** Values are 15 s apart. */
const VALUES_A_MINUTE = 4;

/** Time series in promtool's notation, one value each 15 s, and the alerts that fire. */
export interface RuleCase {
  readonly series: Readonly<Record<string, string>>;
  /** Firing alerts by minute. */
  readonly firing: Readonly<Record<number, readonly Firing[]>>;
  /** When the span metrics are read. Default: from before the case until after its end; `fresh`: from its beginning. */
  readonly scraped?: 'fresh' | string;
}

/** Runs one case on the generated rules; resolves with promtool's complaints, empty when all is as expected. */
export async function ruleFaults({ series, firing, scraped = '1x2000' }: RuleCase): Promise<string> {
  const folder = new ScratchFolder();
  const file = join(folder.path, 'test.yaml');
  const expected = Object.entries(firing).map(([minute, alerts]) => ({
    expr: 'ALERTS{alertstate="firing"}',
    eval_time: `${LEAD + Number(minute)}m`,
    exp_samples: alerts.map((labels) => ({ labels: alertSeries(labels), value: 1 })),
  }));
  const lead = `_x${LEAD * VALUES_A_MINUTE}`;
  // JSON is valid YAML.
  const suite = {
    rule_files: [RULES],
    evaluation_interval: '30s',
    tests: [
      {
        interval: '15s',
        input_series: [
          { series: 'up{job="lossless",instance="jaeger"}', values: scraped === 'fresh' ? `${lead} 1x2000` : scraped },
          ...Object.entries(series).map(([name, values]) => ({ series: name, values: `${lead} ${values}` })),
        ],
        promql_expr_test: expected,
      },
    ],
  };
  writeFileSync(file, JSON.stringify(suite));
  try {
    return await new Promise((done) => {
      execFile(prometheusProgram('promtool'), ['test', 'rules', file], (error, stdout, stderr) =>
        done(error === null ? '' : `${stdout}${stderr}`),
      );
    });
  } finally {
    folder.remove();
  }
}

function alertSeries(labels: Firing): string {
  const all = { ...labels, alertstate: 'firing' };
  return `ALERTS{${Object.entries(all)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}}`;
}
