/** Labels of a series by name. */
export type Labels = Readonly<Record<string, string>>;

/** Text format of Prometheus 0.0.4, or OpenMetrics 1.0.0, which alone can carry exemplars. */
export type Format = 'prometheus' | 'openmetrics';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** A span behind a number: from an alert to the trace. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface Histogram {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  /** Number of values in each bucket alone; one more than `bounds`. */
  readonly counts: readonly number[];
  readonly exemplars: readonly (Exemplar | undefined)[];
  readonly sum: number;
}

/** The format that a scraper accepts, from its `accept` header. */
export function formatOf(accept: string | undefined): Format {
  return accept?.includes('application/openmetrics-text') ? 'openmetrics' : 'prometheus';
}

/** Writes metrics as text. */
export class MetricsText {
  readonly #isOpen: boolean;
  readonly #lines: string[] = [];

  constructor(format: Format) {
    this.#isOpen = format === 'openmetrics';
  }

  /** Begins a metric; all its samples follow. A counter is named without `_total`, as OpenMetrics does. */
  family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): void {
    const shown = type === 'counter' && !this.#isOpen ? `${name}_total` : name;
    this.#lines.push(`# HELP ${shown} ${help}`, `# TYPE ${shown} ${type}`);
  }

  counter(name: string, labels: Labels, value: number, exemplar?: Exemplar): void {
    this.#sample(`${name}_total`, labels, value, value > 0 ? exemplar : undefined);
  }

  gauge(name: string, labels: Labels, value: number): void {
    this.#sample(name, labels, value);
  }

  histogram(name: string, labels: Labels, { bounds, counts, exemplars, sum }: Histogram): void {
    let count = 0;
    for (const [index, own] of counts.entries()) {
      count += own;
      const bound = bounds[index];
      const le = bound === undefined ? '+Inf' : this.#isOpen && Number.isInteger(bound) ? `${bound}.0` : `${bound}`;
      this.#sample(`${name}_bucket`, { ...labels, le }, count, exemplars[index]);
    }
    this.#sample(`${name}_sum`, labels, sum);
    this.#sample(`${name}_count`, labels, count);
  }

  end(): string {
    return `${[...this.#lines, ...(this.#isOpen ? ['# EOF'] : [])].join('\n')}\n`;
  }

  #sample(name: string, labels: Labels, value: number, exemplar?: Exemplar): void {
    const behind =
      exemplar === undefined || !this.#isOpen
        ? ''
        : ` # ${braced({ span_id: exemplar.spanId, trace_id: exemplar.traceId })} ${exemplar.value} ${exemplar.at / 1_000}`;
    this.#lines.push(`${name}${braced(labels)} ${value}${behind}`);
  }
}

function braced(labels: Labels): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
