import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:http2";
import path from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { GetProductRequestSchema, ProductSchema } from "#gen/shop/v1/catalog_pb";
import { connectHttp2 } from "../support/http2-client.ts";
import { type Program, root, startProgram } from "../support/program.ts";
import { until } from "../support/until.ts";

/** `npm start`, as a user meets it. */
let program: Program;
let base: string;
let admin: string;
let ca: Buffer;
let token: string;

beforeAll(async () => {
  program = await startProgram(
    "dist/examples/start.js",
    ["--port", "0", "--http-port", "0", "--admin-port", "0"],
    /Ctrl-C stops/,
  );
  const text = program.stdout();
  base = /gateway +(https:\S+)/.exec(text)?.[1] ?? "";
  admin = /console +(http:\S+?)\/\n/.exec(text)?.[1] ?? "";
  token = /Bearer (\S+?)'/.exec(text)?.[1] ?? "";
  ca = readFileSync(path.join(root, /--cacert (\S+)/.exec(text)?.[1] ?? ""));
}, 60_000);

afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

const connect = () => connectHttp2(base, { ca });

interface EndpointView {
  readonly address: string;
  readonly state: string;
}

async function endpoints(upstream: string): Promise<readonly EndpointView[]> {
  const response = await fetch(`${admin}/api/upstreams`);
  const views = (await response.json()) as { name: string; endpoints: EndpointView[] }[];
  return views.find(({ name }) => name === upstream)?.endpoints ?? [];
}

/** The process that listens on a port, by the example's own log of its replicas. */
function pidOf(address: string): number {
  const port = address.split(":")[1];
  const pattern = new RegExp(`\\b${port}\\b`);
  const children = execFileSync("ps", ["-eo", "pid,ppid"], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === program.pid)
    .map(([pid]) => pid as number);
  const found = children.find((pid) => listeningPorts(pid).some((text) => pattern.test(text)));
  if (found === undefined) throw new Error(`no child listens on ${address}`);
  return found;
}

/** Ports on which a process listens, from its socket inodes. */
function listeningPorts(pid: number): string[] {
  const table = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  const inodes = new Set(
    execFileSync("ls", ["-l", `/proc/${pid}/fd`], { encoding: "utf8" })
      .split("\n")
      .map((line) => /socket:\[(\d+)\]/.exec(line)?.[1])
      .filter((inode) => inode !== undefined),
  );
  return table
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === "0A" && inodes.has(columns[9] ?? ""))
    .map((columns) => String(Number.parseInt(columns[1]?.split(":")[1] ?? "", 16)));
}

describe("what npm start prints", () => {
  test("the curl lines, word by word", () => {
    const lines = [...program.stdout().matchAll(/^ {2}(curl .*)$/gm)].map((match) => match[1] as string);
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      // A stream has no end of its own: a second of it will do.
      const output = execFileSync("sh", ["-c", `${line} -sS --max-time 2 || test $? = 28`], {
        cwd: root,
        encoding: "utf8",
      });
      expect(output, line).not.toContain('"code"');
      expect(output.length, line).toBeGreaterThan(2);
    }
  });

  test("the console and readiness", async () => {
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${admin}/`)).text()).toContain("Dragoman");
  });
});

describe("REST", () => {
  test("a product, exactly", async () => {
    using client = connect();
    const list = JSON.parse((await client.request({ path: "/v1/products?page_size=3" })).text);
    expect(list.products).toHaveLength(3);
    expect(BigInt(list.products[0].id)).toBeGreaterThan(2n ** 53n);
    const one = await client.request({ path: `/v1/${list.products[0].name}` });
    expect(one.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(one.text)).toMatchObject(list.products[0]);
  });

  test("create, change, and delete, seen by every replica", async () => {
    using client = connect();
    const created = await client.request({
      method: "POST",
      path: "/v1/products?product_id=test-lamp",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        title: "A lamp",
        category: "CATEGORY_HOME",
        price: { minorUnits: "1999", currencyCode: "EUR" },
        labels: { __proto__x: "1" },
      }),
    });
    expect(created.text).toContain('"minorUnits":"1999"');
    const { name } = JSON.parse(created.text);
    const changed = await client.request({
      method: "PATCH",
      path: `/v1/${name}`,
      body: JSON.stringify({ title: "A better lamp" }),
    });
    expect(JSON.parse(changed.text)).toMatchObject({ title: "A better lamp", price: { minorUnits: "1999" } });
    for (let i = 0; i < 4; i++) {
      expect(JSON.parse((await client.request({ path: `/v1/${name}` })).text).title).toBe("A better lamp");
    }
    expect(await client.request({ method: "DELETE", path: `/v1/${name}` })).toMatchObject({
      status: 200,
      text: "{}",
    });
    expect(await client.request({ path: `/v1/${name}` })).toMatchObject({ status: 404 });
  });

  test("orders need a token with scopes", async () => {
    using client = connect();
    const refused = await client.request({ path: "/v1/orders" });
    expect(refused).toMatchObject({ status: 401 });
    expect(refused.headers["x-dragoman-reason"]).toBe("credentials_missing");
    expect(refused.headers["www-authenticate"]).toBe("Bearer");
    const forged = await client.request({
      path: "/v1/orders",
      headers: { authorization: `Bearer ${token.slice(0, -4)}AAAA` },
    });
    expect(forged.headers["x-dragoman-reason"]).toBe("credentials_invalid");
    expect(
      await client.request({ path: "/v1/orders", headers: { authorization: `Bearer ${token}` } }),
    ).toMatchObject({ status: 200 });
  });

  test("a stream of stock: NDJSON, SSE and an image as it is", async () => {
    using client = connect();
    const { products } = JSON.parse((await client.request({ path: "/v1/products?page_size=1" })).text);
    const watch = `/v1/${products[0].name}/stock:watch`;
    for (const [accept, pattern] of [
      ["application/x-ndjson", /^\{.*\}\n/],
      ["text/event-stream", /^retry: 3000\n\ndata: \{.*\}\n\n/],
    ] as const) {
      const stream = client.stream({ path: watch, headers: { accept } });
      let text = "";
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      await until(`the first message as ${accept}`, () => pattern.test(text));
      stream.close();
    }
    const image = await client.request({ path: `/v1/${products[0].name}/image` });
    expect(image.headers["content-type"]).toMatch(/^image\//);
    expect(image.headers["x-content-type-options"]).toBe("nosniff");
    expect(image.bytes.length).toBeGreaterThan(50);
  });
});

describe("WebSocket", () => {
  const open = (room: string) =>
    new Promise<WebSocket>((resolve, reject) => {
      const socket = new WebSocket(
        `${base.replace("https", "wss")}/v1/support/${room}:chat`,
        ["dragoman.json"],
        { ca },
      );
      socket.once("open", () => resolve(socket));
      socket.once("error", reject);
    });

  test("two people in one room, whichever replica they come to", async () => {
    const [ann, bob] = await Promise.all([open("e2e"), open("e2e")]);
    const heard: string[] = [];
    bob.on("message", (data) => heard.push(String(data)));
    bob.send(JSON.stringify({ author: "bob", text: "is anybody there?" }));
    await until("bob has joined", () => heard.length > 0);
    ann.send(JSON.stringify({ author: "ann", text: "hello, bob" }));
    await until("bob hears ann", () => heard.some((text) => text.includes("hello, bob")));
    const closed = new Promise<number>((resolve) => ann.once("close", resolve));
    ann.send("");
    expect(await closed).toBe(1000);
    bob.terminate();
  });
});

describe("native gRPC", () => {
  test("grpc-js calls the same methods, with the same errors", async () => {
    const client = new Client(new URL(base).host, credentials.createSsl(ca));
    const get = (name: string) =>
      new Promise<{ code: number; title: string }>((resolve) => {
        client.makeUnaryRequest(
          "/shop.v1.Catalog/GetProduct",
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          Buffer.from(toBinary(GetProductRequestSchema, create(GetProductRequestSchema, { name }))),
          (error, bytes) => {
            if (error !== null || bytes === undefined)
              resolve({ code: error?.code ?? -1, title: error?.details ?? "" });
            else resolve({ code: 0, title: fromBinary(ProductSchema, bytes).title });
          },
        );
      });
    using rest = connect();
    const { products } = JSON.parse((await rest.request({ path: "/v1/products?page_size=1" })).text);
    expect(await get(products[0].name)).toEqual({ code: 0, title: products[0].title });
    expect((await get("products/nope")).code).toBe(status.NOT_FOUND);
    client.close();
  });
});

describe("pass-through", () => {
  test("a page, and a WebSocket to the HTTP upstream", async () => {
    using client = connect();
    expect((await client.request({ path: "/examples/chat" })).text).toContain("<!doctype html>");
    const socket = new WebSocket(`${base.replace("https", "wss")}/examples/echo`, { ca });
    const echoed = await new Promise<string>((resolve, reject) => {
      socket.once("open", () => socket.send("there and back"));
      socket.once("message", (data) => resolve(String(data)));
      socket.once("error", reject);
    });
    expect(echoed).toBe("there and back");
    socket.terminate();
  });
});

describe("under load", () => {
  test("kill -9 of one replica after the other fails no request", async () => {
    using client = connect();
    const statuses = new Map<number, number>();
    let stop = false;
    const load = Array.from({ length: 16 }, async () => {
      while (!stop) {
        const { status: code } = await client.request({ path: "/v1/products?page_size=1" });
        statuses.set(code, (statuses.get(code) ?? 0) + 1);
      }
    });
    try {
      for (const { address } of await endpoints("catalog")) {
        const before = statuses.get(200) ?? 0;
        await until("the load runs", () => (statuses.get(200) ?? 0) > before + 50);
        process.kill(pidOf(address), "SIGKILL");
        await until("the death is seen", async () =>
          (await endpoints("catalog")).some((each) => each.state !== "ready"),
        );
        await until("it serves again", async () =>
          (await endpoints("catalog")).every((each) => each.state === "ready"),
        );
      }
    } finally {
      stop = true;
      await Promise.all(load);
    }
    expect([...statuses.keys()]).toEqual([200]);
  }, 60_000);

  test("SIGTERM loses no request, and ends with 0", async () => {
    const client = connect();
    const outcomes: (number | string)[] = [];
    const one = async (): Promise<void> => {
      try {
        const answer = await client.request({ path: "/v1/products?page_size=1" });
        // A stream that node:http2 opens after it has read the GOAWAY never leaves it: REFUSED_STREAM, safe to send again.
        if (answer.rst !== constants.NGHTTP2_REFUSED_STREAM) outcomes.push(answer.status);
      } catch (error) {
        outcomes.push(String(error));
      }
    };
    const load = Array.from({ length: 8 }, async () => {
      while (!client.session.closed && !client.session.destroyed) await one();
    });
    await until("the load runs", () => outcomes.length > 100);
    program.signal("SIGTERM");
    await Promise.all(load);
    expect(await program.exited).toBe(0);
    expect([...new Set(outcomes)]).toEqual([200]);
    client[Symbol.dispose]();
  }, 30_000);
});
