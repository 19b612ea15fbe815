import type { Counter, Gauge, Histogram, Labels, Meter, Read } from "./meter.ts";
import {
  type Distribution,
  exposeSamples,
  type FamilySample,
  type Merge,
  type SeriesSample,
} from "./samples.ts";

/** Upper bounds of the buckets for durations, in seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly merge: Merge;
  /** By the text of their labels. */
  readonly series: Map<string, Series>;
  readonly read?: Read;
}

class Series implements Counter, Gauge, Histogram {
  value = 0;
  sum = 0;
  readonly buckets: number[] | undefined;

  constructor(buckets: number[] | undefined) {
    this.buckets = buckets;
  }

  add(amount = 1): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }

  observe(value: number): void {
    this.value++;
    this.sum += value;
    const buckets = this.buckets as number[];
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    buckets[at] = (buckets[at] as number) + 1;
  }

  get sample(): number | Distribution {
    return this.buckets === undefined
      ? this.value
      : { bounds, buckets: [...this.buckets], sum: this.sum, count: this.value };
  }
}

export interface PrometheusMeter extends Meter {
  /** What all series stand at now. */
  samples(): FamilySample[];
  /** The same as text. */
  expose(): string;
}

/** A meter that shows its series to Prometheus. */
export function createPrometheusMeter(): PrometheusMeter {
  const families = new Map<string, Family>();

  const seriesOf = (type: Family["type"], name: string, help: string, labels: Labels): Series => {
    let family = families.get(name);
    if (family === undefined) {
      family = { type, help, merge: "sum", series: new Map() };
      families.set(name, family);
    }
    const key = labelText(labels);
    let series = family.series.get(key);
    if (series === undefined) {
      series = new Series(type === "histogram" ? new Array(bounds.length + 1).fill(0) : undefined);
      family.series.set(key, series);
    }
    return series;
  };
  const samples = (): FamilySample[] =>
    [...families].map(([name, { type, help, merge, read, series }]) => ({
      name,
      type,
      help,
      merge,
      series: [...observed(read), ...[...series].map(([labels, each]) => [labels, each.sample] as const)],
    }));

  return {
    counter: (name, help, labels = {}) => seriesOf("counter", name, help, labels),
    gauge: (name, help, labels = {}) => seriesOf("gauge", name, help, labels),
    histogram: (name, help, labels = {}) => seriesOf("histogram", name, help, labels),
    observedGauge: (name, help, read, merge = "sum") =>
      families.set(name, { type: "gauge", help, merge, series: new Map(), read }),
    observedCounter: (name, help, read) =>
      families.set(name, { type: "counter", help, merge: "sum", series: new Map(), read }),
    samples,
    expose: () => exposeSamples(samples()),
  };
}

function observed(read: Read | undefined): SeriesSample[] {
  return read === undefined ? [] : [...read()].map(([labels, value]) => [labelText(labels), value]);
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
    )
    .join(",");
}
