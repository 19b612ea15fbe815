import { ask, connect } from "./client.ts";
import { manyOf, type Subject, settledBytes } from "./subject.ts";

const streamsPerConnection = 100;
const first = Buffer.from('{"name":"there and back","amount":"7"}\n');

/** Opened before anything is measured, so that what the first ones make is not counted. */
const warmUp = 500;

/** Bytes that the gateway grows by for each call both ways that has said one thing and then nothing. */
export async function idleStreamBytes(gateway: Subject, count: number): Promise<number> {
  await open(gateway, warmUp);
  const before = await settledBytes(gateway);
  const connections = await open(gateway, count);
  const after = await settledBytes(gateway);
  for (const connection of connections) connection.destroy();
  return (after - before) / count;
}

async function open({ base }: Subject, count: number) {
  const connections = await manyOf(Math.ceil(count / streamsPerConnection), () => connect(base));
  for (let opened = 0; opened < count; opened += connections.length) {
    await Promise.all(
      connections.slice(0, count - opened).map(
        (connection) =>
          new Promise<void>((resolve) => {
            const fields = ["content-type", "application/x-ndjson"];
            ask(connection, { method: "POST", path: "/v1/chat", fields, body: first, open: true }, () =>
              resolve(),
            );
          }),
      ),
    );
  }
  return connections;
}
