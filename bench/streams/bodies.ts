import http from "node:http";
import { ask, connect, write } from "./client.ts";

const MiB = 1024 * 1024;
const chunk = Buffer.alloc(64 * 1024);
const upload = { method: "POST", path: "/v1/upload", fields: ["content-type", "image/png"] } as const;

type Transfer = (base: string, mebibytes: number) => Promise<void>;

function whole(received: number, mebibytes: number): void {
  if (received !== mebibytes * MiB) throw new Error(`${received} bytes of ${mebibytes} MiB`);
}

async function downloadHttp2(base: string, mebibytes: number): Promise<void> {
  const connection = await connect(base);
  let received = 0;
  const request = { method: "GET", path: `/v1/download/${mebibytes}`, fields: [] } as const;
  await ask(connection, request, (bytes) => {
    received += bytes;
  }).ended;
  connection.destroy();
  whole(received, mebibytes);
}

function downloadHttp1(base: string, mebibytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.get(`${base}/v1/download/${mebibytes}`, { agent: false }, (response) => {
      let received = 0;
      response.on("data", (bytes: Buffer) => {
        received += bytes.length;
      });
      response.on("error", reject);
      response.on("end", () => {
        whole(received, mebibytes);
        resolve();
      });
    });
  });
}

async function uploadHttp2(base: string, mebibytes: number): Promise<void> {
  const connection = await connect(base);
  const { stream, ended } = ask(connection, { ...upload, open: true }, () => {});
  for (let sent = 0; sent < mebibytes * MiB; sent += chunk.length) await write(stream, chunk);
  stream.end();
  await ended;
  connection.destroy();
}

function uploadHttp1(base: string, mebibytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${base}/v1/upload`, {
      method: "POST",
      agent: false,
      headers: { "content-type": "image/png", "content-length": mebibytes * MiB },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume();
      if (response.statusCode === 200) response.on("end", resolve);
      else reject(new Error(`answered with ${response.statusCode}`));
    });
    let left = (mebibytes * MiB) / chunk.length;
    const more = (): void => {
      while (left-- > 0) if (!request.write(chunk)) return;
      request.end();
    };
    request.on("drain", more);
    more();
  });
}

type Named = readonly (readonly [string, Transfer])[];

export const downloads: Named = [
  ["http/1.1", downloadHttp1],
  ["HTTP/2", downloadHttp2],
];
export const uploads: Named = [
  ["http/1.1", uploadHttp1],
  ["HTTP/2", uploadHttp2],
];
