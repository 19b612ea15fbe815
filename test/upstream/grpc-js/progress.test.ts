import { expect, test } from "vitest";
import { Code, Metadata, RpcError } from "#rpc";
import { Connection, createCredentials } from "../../../src/upstream/grpc-js/connection.ts";
import { streamCall } from "../../../src/upstream/grpc-js/stream.ts";
import { unaryCall } from "../../../src/upstream/grpc-js/unary.ts";
import type { TransportCall, TransportUnaryReply } from "../../../src/upstream/transport.ts";
import { TransportError } from "../../../src/upstream/transport-error.ts";
import { echoServer } from "../support/echo-server.ts";
import { liar } from "../support/liar.ts";

function connectionTo(address: string): Connection {
  const options = { address, tls: undefined, maxMessageBytes: 1000 };
  const connection = new Connection(options, createCredentials(undefined), new Set(), () => {});
  connection.watch(() => {});
  return connection;
}

function call(): TransportCall {
  const { signal } = new AbortController();
  return {
    path: "/test.Echo/Unary",
    header: new Metadata(),
    deadline: undefined,
    signal,
    previousAttempts: 0,
  };
}

function unary(connection: Connection, message: Buffer): Promise<TransportUnaryReply> {
  return new Promise((answered, failed) => {
    const raw = connection.createCall("/test.Echo/Unary");
    unaryCall(raw, connection, call(), message, { answered, failed });
  });
}

async function* one() {
  yield Buffer.from("x");
}

/** How far a call came, by the transport's own account; each kind of call, an empty message too. */
async function progress(connection: Connection) {
  const attempts = [
    unary(connection, Buffer.from("x")),
    unary(connection, Buffer.alloc(0)),
    streamCall(connection.createCall("/test.Echo/Bidi"), connection, call(), one()),
  ];
  const errors = (await Promise.allSettled(attempts)).map((outcome) =>
    outcome.status === "rejected" ? outcome.reason : undefined,
  );
  return errors.map((error: unknown) =>
    error instanceof TransportError ? [error.progress, error.code, error.reason] : error,
  );
}

test("a call that found no connection never left", async () => {
  const server = await echoServer();
  await server[Symbol.asyncDispose]();
  const connection = connectionTo(server.address);
  const expected = ["not_started", Code.UNAVAILABLE, "connect_failed"];
  expect(await progress(connection)).toEqual([expected, expected, expected]);
  connection.close();
});

test("a call that waits for a connection which is given up never left", async () => {
  await using server = await echoServer();
  const connection = connectionTo(server.address);
  const outcome = progress(connection);
  setImmediate(() => connection.close());
  const expected = ["not_started", Code.UNAVAILABLE, "connect_failed"];
  expect(await outcome).toEqual([expected, expected, expected]);
});

test("a call that arrived may have been processed", async () => {
  let arrived = 0;
  await using server = await liar((to) => {
    if (++arrived === 3) to.session?.destroy();
  });
  const connection = connectionTo(server.address);
  const outcomes = await progress(connection);
  for (const outcome of outcomes) expect(outcome).toEqual(["processed", Code.UNAVAILABLE, "connection_lost"]);
  connection.close();
});

test("a call that was refused was not processed", async () => {
  const refusedStream = 7;
  await using server = await liar((to) => to.close(refusedStream));
  const connection = connectionTo(server.address);
  const expected = ["refused", Code.UNAVAILABLE, "connection_lost"];
  expect(await progress(connection)).toEqual([expected, expected, expected]);
  connection.close();
});

test("a call is among those under way until it ends, however it ends", async () => {
  await using server = await echoServer();
  const calls = new Set<{ cancel(error: Error): void }>();
  let drained = 0;
  const options = { address: server.address, tls: undefined, maxMessageBytes: 1000 };
  const connection = new Connection(options, createCredentials(undefined), calls, () => drained++);
  const well = unary(connection, Buffer.from("x"));
  expect(calls.size).toBe(1);
  await well;
  expect([calls.size, drained]).toEqual([0, 1]);
  const ended = unary(connection, Buffer.from("x"));
  const reason = new RpcError(Code.CANCELLED, "no more");
  for (const active of calls) active.cancel(reason);
  await expect(ended).rejects.toBe(reason);
  expect([calls.size, drained]).toEqual([0, 2]);
  connection.close();
});
