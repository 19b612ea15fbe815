import { expect, test } from "vitest";
import { createPrometheusMeter, exposeSamples, lastingSamples, mergeSamples } from "#telemetry";

/** What goes from one process to another. */
const sent = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

test("counters of several processes add up, whichever of them has which series", () => {
  const [a, b] = [createPrometheusMeter(), createPrometheusMeter()];
  a.counter("calls_total", "Calls.", { code: "OK" }).add(3);
  b.counter("calls_total", "Calls.", { code: "OK" }).add(4);
  b.counter("calls_total", "Calls.", { code: "INTERNAL" }).add();
  expect(exposeSamples(mergeSamples([sent(a.samples()), sent(b.samples())]))).toBe(
    '# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{code="OK"} 7\ncalls_total{code="INTERNAL"} 1\n',
  );
});

test("histograms of several processes add up, bucket by bucket", () => {
  const [a, b, both] = [createPrometheusMeter(), createPrometheusMeter(), createPrometheusMeter()];
  for (const [meter, value] of [
    [a, 0.002],
    [a, 20],
    [b, 0.2],
  ] as const) {
    for (const each of [meter, both])
      each.histogram("took_seconds", "Time.", { method: "/a.B/C" }).observe(value);
  }
  expect(exposeSamples(mergeSamples([sent(a.samples()), sent(b.samples())]))).toBe(both.expose());
});

test.each([
  ["sum", 5],
  ["min", 1],
  ["max", 4],
] as const)("what is read when it is shown is merged by %s where that is said", (merge, expected) => {
  const [a, b] = [createPrometheusMeter(), createPrometheusMeter()];
  a.observedGauge("state", "State.", () => [[{}, 4]], merge);
  b.observedGauge("state", "State.", () => [[{}, 1]], merge);
  expect(mergeSamples([sent(a.samples()), sent(b.samples())])[0]?.series).toEqual([["", expected]]);
});

test("of a process that has ended stays what it counted, and not how it was", () => {
  const meter = createPrometheusMeter();
  meter.counter("calls_total", "Calls.").add();
  meter.gauge("open", "Open.").set(7);
  meter.histogram("took_seconds", "Time.").observe(1);
  meter.observedCounter("cpu_seconds_total", "CPU.", () => [[{}, 2]]);
  expect(lastingSamples(meter.samples()).map(({ name }) => name)).toEqual([
    "calls_total",
    "took_seconds",
    "cpu_seconds_total",
  ]);
});
