const durationMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const sizeBytes: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  kB: 1000,
  MB: 1e6,
  GB: 1e9,
};
const periodMs: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

export const durationPattern = /^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/;
export const sizePattern = /^\d+(?:B|KiB|MiB|GiB|kB|MB|GB)$/;
export const ratePattern = /^[1-9]\d*\/(?:s|min|h|d)$/;

/** Milliseconds of `250ms`, `5s`, `1m`, `2h` or `180d`; the text must match `durationPattern`. */
export function parseDuration(text: string): number {
  const unit = /[a-z]+$/.exec(text)?.[0] ?? "";
  return Number(text.slice(0, -unit.length)) * (durationMs[unit] ?? Number.NaN);
}

/** Bytes of `64KiB`; the text must match `sizePattern`. */
export function parseSize(text: string): number {
  const unit = /[A-Za-z]+$/.exec(text)?.[0] ?? "";
  return Number(text.slice(0, -unit.length)) * (sizeBytes[unit] ?? Number.NaN);
}

/** So many in so many milliseconds. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** `100/min`; the text must match `ratePattern`. */
export function parseRate(text: string): Rate {
  const [count = "", period = ""] = text.split("/");
  return { count: Number(count), perMs: periodMs[period] ?? Number.NaN };
}
