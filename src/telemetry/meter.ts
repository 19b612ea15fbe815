import type { Merge } from "./samples.ts";

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

/** What the series of one name stand at. */
export type Read = () => Iterable<readonly [Labels, number]>;

/**
 * Makes series. Asking for the same name and labels again gives the same series; whoever counts on a hot path asks once
 * and keeps it. Labels must come from bounded sets.
 */
export interface Meter {
  counter(name: string, help: string, labels?: Labels): Counter;
  gauge(name: string, help: string, labels?: Labels): Gauge;
  histogram(name: string, help: string, labels?: Labels): Histogram;
  /**
   * A gauge whose values are asked for when they are shown. Replaces an earlier one of the same name.
   *
   * @param merge how those of several processes become one; their sum when absent
   */
  observedGauge(name: string, help: string, read: Read, merge?: Merge): void;
  /** The same for what only grows. */
  observedCounter(name: string, help: string, read: Read): void;
}
