import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type ClientCall, readAll } from "./client.ts";
import { type Held, type HeldObjects, type MeasuredWorld, startMeasuredWorld } from "./measured-world.ts";
import { places, titleOf } from "./places.ts";
import { begin, type Place, sendAll, streamsRequests } from "./stage.ts";
import { step } from "./step.ts";
import { floodBytes, type Seen } from "./upstream.ts";
import type { Gate } from "./wire.ts";

let world: MeasuredWorld;

beforeAll(async () => {
  world = await startMeasuredWorld();
  // What is made once, and what V8 compiles, is none of what a stream costs.
  for (const place of places.filter(({ kind }) => kind === "Server" || kind === "Client")) {
    const { call, arrived } = begin(world, place, "wait");
    await sendAll(call, [step(1)]);
    await arrived();
    call.cancel();
  }
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const KiB = 1024;
const calls = 20;
/** Those that fill the buffers of a socket each. */
const heavyCalls = 6;

/** What one stream may make the gateway hold, in KiB. Over http/1.1 that includes a connection with TLS of its own. */
const perStream = 256;
/** For the kernel's buffers to fill, which they do in steps. */
const patienceMs = 60_000;
/** What goes out before the other end has to wait, in KiB. The kernel's buffers of a socket come on top over http/1.1, and a client's own. */
const before = { "1.1": 8192, "2": 640 } as const;

interface Under {
  readonly call: ClientCall;
  readonly seen: Seen;
}

/** Waits until a sum changes no more. */
async function standsStill(what: string, sum: () => number): Promise<void> {
  await until(what, async () => {
    const now = sum();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return sum() === now;
  });
}

/** What is held before a test: the least of some looks, since what the one before it has left behind goes away. */
async function heldAtFirst(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 3; look++) least = Math.min(least, (await world.held()).bytes);
  return least;
}

/**
 * Waits until no more is held. What is let go of now and then, while the kernel's buffers still grow, is held for a moment
 * and found by the next look; what stays is there at every look.
 */
async function holdsLittle(idle: number, count: number): Promise<void> {
  let held = Number.NaN;
  try {
    const little = async (): Promise<boolean> => {
      held = ((await world.held()).bytes - idle) / count / KiB;
      return held < perStream;
    };
    await until("little is held", little, patienceMs);
  } catch (cause) {
    throw new Error(`${held.toFixed(0)} KiB are held for each stream`, { cause });
  }
}

async function leave(under: readonly Under[]): Promise<void> {
  for (const { call } of under) call.cancel();
  await until("the upstream is cancelled", () => under.every(({ seen }) => seen.cancelled));
}

const titled = (some: readonly Place[]) => some.map((place) => [titleOf(place), place] as const);

describe("a client that stops reading makes the upstream wait, and little is held for it", {
  timeout: 120_000,
}, () => {
  const streams = places.filter(({ kind }) => kind === "Server");

  async function stall(place: Place): Promise<Under> {
    const { call, arrived } = begin(world, place, "flood");
    await sendAll(call, [step(1)]);
    expect((await call.read())?.index).toBe(0);
    return { call, seen: await arrived() };
  }

  test.each(titled(streams))("%s", async (_title, place) => {
    const idle = await heldAtFirst();
    const stalled = await Promise.all(Array.from({ length: calls }, () => stall(place)));
    await standsStill("nothing is sent", () => stalled.reduce((sum, { seen }) => sum + seen.sent, 0));
    for (const { seen } of stalled) {
      expect(seen.full).toBe(true);
      expect((seen.sent * floodBytes) / KiB).toBeLessThan(before[place.version]);
    }
    await holdsLittle(idle, calls);
    await leave(stalled);
  });
});

describe("an upstream that stops reading makes the client wait, and little is held for it", {
  timeout: 120_000,
}, () => {
  const streams = places.filter(({ kind }) => kind === "Client");
  const padding = Buffer.alloc(floodBytes, "x");

  async function flood(place: Place): Promise<Under & { sent(): number }> {
    const { call, arrived } = begin(world, place, "deaf");
    let sent = 0;
    let seen: Seen | undefined;
    void (async () => {
      for (; seen?.cancelled !== true; sent++) {
        await call.send(step(sent, "", padding));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    seen = await arrived();
    return { call, seen, sent: () => sent };
  }

  test.each(titled(streams))("%s", async (_title, place) => {
    const idle = await heldAtFirst();
    const count = place.version === "1.1" ? heavyCalls : calls;
    const flooded = await Promise.all(Array.from({ length: count }, () => flood(place)));
    await standsStill("nothing is sent", () => flooded.reduce((sum, { sent }) => sum + sent(), 0));
    for (const { sent } of flooded) expect((sent() * floodBytes) / KiB).toBeLessThan(before[place.version]);
    await holdsLittle(idle, count);
    const gone = leave(flooded);
    // A socket that is not read does not tell that its other end has gone.
    if (place.version === "1.1") for (const { seen } of flooded) seen.finish();
    await gone;
  });
});

/** Of the upstream: the steady one and the frail one. */
const endpoints = 2;
/** While many calls are cancelled. */
const connectionsPerEndpoint = 16;

/** Calls that are cancelled; MATRIX_CANCELLED=10000 for a longer look. */
const cancelled = Number(process.env.MATRIX_CANCELLED ?? 1000);

test(`${cancelled} calls that are cancelled leave nothing behind`, async () => {
  const readyEndpoints = () => world.metric("dragoman_endpoint_ready");
  const ready = await readyEndpoints();

  /** One call at every place, each cancelled once the upstream has it. */
  async function round(gate: Gate): Promise<void> {
    await Promise.all(
      places.map(async (place) => {
        const { call, seen } = begin({ ...world, gate }, place, "wait");
        await (streamsRequests(place.kind) ? call.send(step(1)) : sendAll(call, [step(1)]));
        let ended = false;
        const over = readAll(call).then(() => {
          ended = true;
        });
        // An upstream may lose its patience with so many resets; what it refuses has ended as well.
        await until("the call is under way", () => ended || (seen()?.received.length ?? 0) > 0);
        call.cancel();
        await over;
        await until("the upstream is cancelled", () => seen()?.cancelled !== false);
      }),
    );
  }
  async function rounds(count: number): Promise<HeldObjects> {
    for (let played = 0; played < count; played++) {
      using gate = world.newGate();
      await round(gate);
    }
    await until("no client is connected", async () => (await world.metric("dragoman_connections")) === 0);
    // An upstream that has lost its patience with so many resets is connected to anew.
    await until("the upstream is connected", async () => (await readyEndpoints()) === ready);
    await until("no WebSocket is open", async () => (await world.metric("dragoman_websockets")) === 0);
    return await world.heldObjects();
  }
  world.gate[Symbol.dispose]();
  await until("no client is connected", async () => (await world.metric("dragoman_connections")) === 0);
  const idle = await world.held();
  // What is made once, and what V8 compiles, is made by the first.
  const all = Math.ceil(cancelled / places.length);
  const first = await rounds(Math.max(6, Math.ceil(all / 3)));
  let last = await rounds(all);
  // What comes and goes by itself is gone at another look: a file that is looked at, a timer that is about to fire.
  await until(
    "no handle, timer or listener is left",
    async () => {
      last = await world.heldObjects();
      return left(idle, first, last, (all * places.length) / 100).length === 0;
    },
    patienceMs,
  ).catch((cause) => {
    const more = left(idle, first, last, (all * places.length) / 100).join("; ");
    throw new Error(`more than before: ${more}`, { cause });
  });
  expect(last.warnings).toEqual([]);
  // The code that V8 goes on compiling counts too.
  expect((last.bytes - first.bytes) / KiB).toBeLessThan(1536);
}, 900_000);

/**
 * What there is more of than there was. Of handles none may be left that was not there before any call, but connections to
 * the upstream, the only sockets that there are: one that is crowded with cancelled calls is replaced by another.
 *
 * @param few objects that may be new, since something can always be made for the first time; a leak would be one a call
 */
function left(idle: Held, first: HeldObjects, last: HeldObjects, few: number): readonly string[] {
  const { TCPSocketWrap: connections = 0, ...handles } = last.resources;
  const more = Object.entries(handles).filter(([type, count]) => count > (idle.resources[type] ?? 0));
  if (connections > endpoints * connectionsPerEndpoint) more.push(["connections", connections]);
  for (const type of ["EventEmitter", "Timeout", "Function"] as const)
    if (last.objects[type] > first.objects[type] + few) more.push([type, last.objects[type]]);
  return more.map(([type, count]) => `${count} ${type}`);
}
