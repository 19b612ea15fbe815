import type { Counter, Gauge, Histogram, Labels, Meter } from "./meter.ts";

/** Upper bounds of the buckets for durations, in seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** By the text of their labels. */
  readonly series: Map<string, Series>;
  readonly read?: () => Iterable<readonly [Labels, number]>;
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
}

export interface PrometheusMeter extends Meter {
  /** The text exposition format, version 0.0.4. */
  expose(): string;
}

/** A meter that shows its series to Prometheus. */
export function createPrometheusMeter(): PrometheusMeter {
  const families = new Map<string, Family>();

  const seriesOf = (type: Family["type"], name: string, help: string, labels: Labels): Series => {
    let family = families.get(name);
    if (family === undefined) {
      family = { type, help, series: new Map() };
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

  return {
    counter: (name, help, labels = {}) => seriesOf("counter", name, help, labels),
    gauge: (name, help, labels = {}) => seriesOf("gauge", name, help, labels),
    histogram: (name, help, labels = {}) => seriesOf("histogram", name, help, labels),
    observedGauge: (name, help, read) => families.set(name, { type: "gauge", help, series: new Map(), read }),
    expose() {
      const lines: string[] = [];
      for (const [name, family] of families) {
        lines.push(`# HELP ${name} ${family.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`);
        lines.push(`# TYPE ${name} ${family.type}`);
        if (family.read !== undefined) {
          for (const [labels, value] of family.read())
            lines.push(`${name}${braced(labelText(labels))} ${value}`);
        }
        for (const [labels, series] of family.series) appendSeries(lines, name, labels, series);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function appendSeries(lines: string[], name: string, labels: string, series: Series): void {
  if (series.buckets === undefined) {
    lines.push(`${name}${braced(labels)} ${series.value}`);
    return;
  }
  const before = labels === "" ? "" : `${labels},`;
  let total = 0;
  for (const [index, bound] of bounds.entries()) {
    total += series.buckets[index] as number;
    lines.push(`${name}_bucket{${before}le="${bound}"} ${total}`);
  }
  lines.push(`${name}_bucket{${before}le="+Inf"} ${series.value}`);
  lines.push(`${name}_sum${braced(labels)} ${series.sum}`, `${name}_count${braced(labels)} ${series.value}`);
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
    )
    .join(",");
}
