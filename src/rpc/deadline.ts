/** Milliseconds a unit of `grpc-timeout` stands for ("PROTOCOL-HTTP2.md", Timeout). */
const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout` value such as `250m`; undefined when it breaks the grammar (1 to 8 digits, a unit). */
export function parseGrpcTimeout(value: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  if (match === null) return undefined;
  return Number(match[1]) * (units[match[2] as string] as number);
}

/** The `grpc-timeout` for so many milliseconds: the finest unit that fits eight digits, never less than 1 ns. */
export function formatGrpcTimeout(ms: number): string {
  if (ms <= 0) return "1n";
  if (ms < 100) return `${Math.max(1, Math.ceil(ms * 1000))}u`;
  if (ms < 1e8) return `${Math.ceil(ms)}m`;
  if (ms < 1e11) return `${Math.ceil(ms / 1000)}S`;
  return `${Math.min(99_999_999, Math.ceil(ms / 60_000))}M`;
}
