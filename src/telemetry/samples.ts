/** How the values of one series of several processes become one. */
export type Merge = "sum" | "min" | "max";

/** The bounds of all buckets but the last, which has none, and how many values fell into each. */
export interface Distribution {
  readonly bounds: readonly number[];
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** One series: its labels as they are shown, and what it stands at. */
export type SeriesSample = readonly [labels: string, value: number | Distribution];

/** All series of one name at one time. Plain data, which may go to another process. */
export interface FamilySample {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly merge: Merge;
  readonly series: readonly SeriesSample[];
}

/** The samples of several processes as those of one. Families and series stay in the order in which they first come. */
export function mergeSamples(all: readonly (readonly FamilySample[])[]): FamilySample[] {
  const families = new Map<string, { family: FamilySample; series: Map<string, number | Distribution> }>();
  for (const family of all.flat()) {
    let merged = families.get(family.name);
    if (merged === undefined) {
      merged = { family, series: new Map() };
      families.set(family.name, merged);
    }
    for (const [labels, value] of family.series) {
      const before = merged.series.get(labels);
      merged.series.set(labels, before === undefined ? value : combine(family.merge, before, value));
    }
  }
  return [...families.values()].map(({ family, series }) => ({ ...family, series: [...series] }));
}

/** What goes on to count when the process that counted it has ended. */
export function lastingSamples(samples: readonly FamilySample[]): FamilySample[] {
  return samples.filter(({ type }) => type !== "gauge");
}

/** The text exposition format of Prometheus, version 0.0.4. */
export function exposeSamples(families: readonly FamilySample[]): string {
  const lines: string[] = [];
  for (const { name, help, type, series } of families) {
    lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`);
    lines.push(`# TYPE ${name} ${type}`);
    for (const [labels, value] of series) appendSeries(lines, name, labels, value);
  }
  return `${lines.join("\n")}\n`;
}

function combine(merge: Merge, a: number | Distribution, b: number | Distribution): number | Distribution {
  if (typeof a !== "number" && typeof b !== "number") {
    return {
      bounds: a.bounds,
      buckets: a.buckets.map((count, i) => count + (b.buckets[i] ?? 0)),
      sum: a.sum + b.sum,
      count: a.count + b.count,
    };
  }
  // The same program has the same kinds of families.
  if (typeof a !== "number" || typeof b !== "number") return a;
  if (merge === "sum") return a + b;
  return merge === "min" ? Math.min(a, b) : Math.max(a, b);
}

function appendSeries(lines: string[], name: string, labels: string, value: number | Distribution): void {
  if (typeof value === "number") {
    lines.push(`${name}${braced(labels)} ${value}`);
    return;
  }
  const before = labels === "" ? "" : `${labels},`;
  let total = 0;
  for (const [index, bound] of value.bounds.entries()) {
    total += value.buckets[index] as number;
    lines.push(`${name}_bucket{${before}le="${bound}"} ${total}`);
  }
  lines.push(`${name}_bucket{${before}le="+Inf"} ${value.count}`);
  lines.push(`${name}_sum${braced(labels)} ${value.sum}`, `${name}_count${braced(labels)} ${value.count}`);
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}
