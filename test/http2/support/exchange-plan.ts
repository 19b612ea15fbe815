import { createHash } from "node:crypto";
import { type Random, randomOf } from "./random.ts";

const exchanges = 120;

/** A message as it is sent, or as it came; pseudo-header fields apart. */
export interface Message {
  readonly fields: readonly string[];
  readonly chunks: readonly Buffer[];
  /** Undefined for none. */
  readonly trailers: readonly string[] | undefined;
}

/** What was heard of a message. */
export interface Heard {
  /** Method and path, or status. */
  readonly start: string;
  readonly fields: readonly string[];
  readonly size: number;
  readonly digest: string;
  readonly trailers: readonly string[];
}

export function heard(
  start: string,
  fields: readonly string[],
  chunks: readonly Buffer[],
  trailers: readonly string[] = [],
): Heard {
  const body = Buffer.concat(chunks);
  return {
    start,
    fields,
    size: body.length,
    digest: createHash("sha1").update(body).digest("hex"),
    trailers,
  };
}

const text = (random: Random, least: number, more: number): string =>
  Array.from({ length: least + random(more) }, () => String.fromCharCode(33 + random(94))).join("");

function randomFields(random: Random): string[] {
  const fields: string[] = [];
  for (let n = random(12); n > 0; n--) {
    const name = `x-${["a", "bb", "trace-id", `u${random(200)}`][random(4)]}-${n}`;
    const value = ["", "same", text(random, 1, 30), text(random, 100, 1500)][random(4)]!;
    // One name twice: node:http2 sends them one after the other.
    for (let times = random(10) === 0 ? 2 : 1; times > 0; times--) fields.push(name, value);
  }
  return fields;
}

function randomMessage(random: Random): Message {
  const chunks = Array.from({ length: random(4) }, () =>
    Buffer.alloc([0, 1, random(200), random(150_000)][random(4)]!, random(256)),
  );
  const trailers =
    random(3) === 0 ? ["x-trailer", text(random, 1, 20), ...randomFields(random).slice(0, 4)] : undefined;
  return { fields: randomFields(random), chunks, trailers };
}

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly request: Message;
  readonly status: number;
  readonly response: Message;
}

/** Random exchanges, the same for the same seed. */
export function planExchanges(seed: number): Exchange[] {
  const random = randomOf(seed);
  return Array.from({ length: exchanges }, (_, n) => ({
    method: ["GET", "POST", "PUT", "DELETE"][random(4)]!,
    path: `/${n}?${encodeURIComponent(text(random, 0, 20))}`,
    request: randomMessage(random),
    status: [200, 201, 404, 503][random(4)]!,
    response: randomMessage(random),
  }));
}

/** Of the exchange that a path belongs to. */
export const indexOf = (path: string): number => Number(path.slice(1).split("?")[0]);
