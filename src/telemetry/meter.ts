/** Labels of one series, in a fixed order. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount?: number): void;
}

export interface Gauge {
  add(amount: number): void;
  set(value: number): void;
}

export interface Histogram {
  observe(value: number): void;
}

/**
 * Makes series. Asking for the same name and labels again gives the same series; whoever counts on a hot path asks once
 * and keeps it. Labels must come from bounded sets.
 */
export interface Meter {
  counter(name: string, help: string, labels?: Labels): Counter;
  gauge(name: string, help: string, labels?: Labels): Gauge;
  histogram(name: string, help: string, labels?: Labels): Histogram;
  /** A gauge whose values are asked for when they are shown. Replaces an earlier one of the same name. */
  observedGauge(name: string, help: string, read: () => Iterable<readonly [Labels, number]>): void;
}
