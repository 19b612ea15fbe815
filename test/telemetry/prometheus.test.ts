import { expect, test } from "vitest";
import { createPrometheusMeter, type PrometheusMeter } from "#telemetry";

test("nothing is shown before there is anything", () => {
  expect(createPrometheusMeter().expose()).toBe("\n");
});

test.each<[string, (meter: PrometheusMeter) => void, string]>([
  [
    "a counter",
    (meter) => {
      const counter = meter.counter("calls_total", "Calls.");
      counter.add();
      counter.add(2);
    },
    "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 3\n",
  ],
  [
    "a counter that has not counted yet",
    (meter) => meter.counter("calls_total", "Calls."),
    "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 0\n",
  ],
  [
    "a gauge, up and down, with labels in the order given",
    (meter) => {
      const gauge = meter.gauge("open", "Open.", { zone: "b", a: "1" });
      gauge.set(5.5);
      gauge.add(-2);
    },
    '# HELP open Open.\n# TYPE open gauge\nopen{zone="b",a="1"} 3.5\n',
  ],
  [
    "series of one name stand together, whatever came between",
    (meter) => {
      meter.counter("a", "A.", { x: "1" }).add();
      meter.counter("b", "B.").add();
      meter.counter("a", "A.", { x: "2" }).add(2);
    },
    '# HELP a A.\n# TYPE a counter\na{x="1"} 1\na{x="2"} 2\n# HELP b B.\n# TYPE b counter\nb 1\n',
  ],
  [
    "labels are escaped: quotes, backslashes and line breaks",
    (meter) => meter.counter("c", "C.", { path: 'a"b\\n\\c\nd{}=,' }).add(),
    '# HELP c C.\n# TYPE c counter\nc{path="a\\"b\\\\n\\\\c\\nd{}=,"} 1\n',
  ],
  [
    "help is escaped: backslashes and line breaks, and no quotes",
    (meter) => meter.counter("c", 'A "b"\\n\nand more.').add(),
    '# HELP c A "b"\\\\n\\nand more.\n# TYPE c counter\nc 1\n',
  ],
  [
    "no Unicode is escaped",
    (meter) => meter.counter("c", "Zählt.", { name: "Ünïcode ☃" }).add(),
    '# HELP c Zählt.\n# TYPE c counter\nc{name="Ünïcode ☃"} 1\n',
  ],
  [
    "an observed gauge without series",
    (meter) => meter.observedGauge("o", "O.", () => []),
    "# HELP o O.\n# TYPE o gauge\n",
  ],
])("%s", (_name, fill, text) => {
  const meter = createPrometheusMeter();
  fill(meter);
  expect(meter.expose()).toBe(text);
});

test("asking again for the same labels gives the same series", () => {
  const meter = createPrometheusMeter();
  meter.counter("c", "C.", { a: "1" }).add();
  meter.counter("c", "C.", { a: "1" }).add();
  expect(meter.counter("c", "C.", { a: "1" })).toBe(meter.counter("c", "C.", { a: "1" }));
  expect(meter.expose()).toContain('c{a="1"} 2\n');
});

test("labels that only look alike are two series", () => {
  const meter = createPrometheusMeter();
  meter.counter("c", "C.", { a: '1",b="2' }).add();
  meter.counter("c", "C.", { a: "1", b: "2" }).add();
  expect(meter.expose().match(/^c\{/gm)).toHaveLength(2);
});

test("an observed gauge is asked each time, and replaces the one before", () => {
  const meter = createPrometheusMeter();
  let asked = 0;
  meter.observedGauge("o", "Old.", () => [[{}, -1]]);
  meter.observedGauge("o", "O.", function* () {
    asked++;
    yield [{ n: "1" }, asked];
    yield [{ n: "2" }, 2 * asked];
  });
  expect(asked).toBe(0);
  expect(meter.expose()).toBe('# HELP o O.\n# TYPE o gauge\no{n="1"} 1\no{n="2"} 2\n');
  expect(meter.expose()).toContain('o{n="2"} 4\n');
});

test("a histogram: every bucket counts what is below it, its bound included", () => {
  const meter = createPrometheusMeter();
  const histogram = meter.histogram("t", "T.", { m: "x" });
  const observed = [0, 0.001, 0.0010001, 0.03, 0.25, 10, 10.5, 1000];
  for (const value of observed) histogram.observe(value);
  const lines = meter.expose().trimEnd().split("\n");
  expect(lines.slice(0, 2)).toEqual(["# HELP t T.", "# TYPE t histogram"]);
  const buckets = lines
    .filter((line) => line.startsWith("t_bucket"))
    .map((line) => {
      const [, le = "", count = ""] = /^t_bucket\{m="x",le="([^"]+)"\} (\d+)$/.exec(line) ?? [];
      return [le, Number(count)] as const;
    });
  expect(buckets).toHaveLength(14);
  for (const [le, count] of buckets) {
    const bound = le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
    expect([le, count]).toEqual([le, observed.filter((value) => value <= bound).length]);
  }
  expect(buckets.at(-1)).toEqual(["+Inf", 8]);
  const sum = observed.reduce((total, value) => total + value, 0);
  expect(lines.slice(-2)).toEqual([`t_sum{m="x"} ${sum}`, 't_count{m="x"} 8']);
});

test("a histogram without labels", () => {
  const meter = createPrometheusMeter();
  meter.histogram("t", "T.").observe(2);
  expect(meter.expose()).toContain('\nt_bucket{le="2.5"} 1\n');
  expect(meter.expose()).toContain("\nt_sum 2\nt_count 1\n");
});
