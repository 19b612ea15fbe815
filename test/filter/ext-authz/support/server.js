// An authorization service of Envoy's contract, in a process of its own. What it answers is told by the header x-case of
// the request; what it is asked goes to the parent.
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { CheckRequestSchema, CheckResponseSchema } from "#gen/envoy/service/auth/v3/external_auth_pb";

const header = (key, value, more = {}) => ({ header: { key, value }, ...more });
const ok = (response) => ({ httpResponse: { case: "okResponse", value: response } });
const denied = (code, response) => ({
  status: { code },
  httpResponse: { case: "deniedResponse", value: response },
});

const answers = {
  allow: {},
  mutate: ok({
    headers: [
      header("X-Role", "admin"),
      header("x-tag", "b", { append: true }),
      header("x-kept", "new", { appendAction: 1 }),
      header("x-absent", "new", { appendAction: 3 }),
    ],
    headersToRemove: ["x-secret", "host", ":path", "x-dragoman-subject"],
    responseHeadersToAdd: [
      header("x-shown", "yes"),
      header("transfer-encoding", "chunked"),
      header("x-bad", "a\nb"),
    ],
  }),
  deny: { status: { code: 7 } },
  "deny fully": denied(16, {
    status: { code: 401 },
    headers: [
      header("www-authenticate", 'Basic realm="shop"'),
      header("content-type", "text/html"),
      header("connection", "close"),
      header("x-dragoman-reason", "other"),
    ],
    body: `<p>no</p>${"x".repeat(100_000)}`,
  }),
  "deny with 200": denied(7, { status: { code: 200 } }),
  redirect: denied(7, { status: { code: 302 }, headers: [header("location", "https://id.test/login")] }),
  "ok and denied": { httpResponse: { case: "deniedResponse", value: { status: { code: 403 } } } },
  "sets pseudo header": ok({ headers: [header(":path", "/admin")] }),
  "sets host": ok({ headers: [header("Host", "evil.test")] }),
  "sets connection": ok({ headers: [header("connection", "close")] }),
  "sets identity": ok({ headers: [header("x-dragoman-subject", "root")] }),
  "sets forwarded": ok({ headers: [header("x-forwarded-for", "10.0.0.1")] }),
  "splits header": ok({ headers: [header("x-a", "b\r\nx-c: d")] }),
  "floods headers": ok({ headers: Array.from({ length: 1000 }, (_, i) => header(`x-${i}`, "a")) }),
};

/** Answers to `sets`, `shows` and `denies with`, followed by the name and the value of a header as JSON. */
const byHeader = {
  sets: (one) => ok({ headers: [one] }),
  appends: (one) => ok({ headers: [{ ...one, append: true }] }),
  shows: (one) => ok({ responseHeadersToAdd: [one] }),
  "denies with": (one) => denied(7, { status: { code: 403 }, headers: [one] }),
  "denies by": ({ header: { value } }) => denied(7, { status: { code: Number(value) } }),
};

function answerTo(wanted) {
  const [, what = "", json = ""] = /^(.*?) (\[.*\])$/.exec(wanted) ?? [];
  return json === "" ? answers[wanted] : byHeader[what](header(...JSON.parse(json)));
}

const server = new Server();
server.addService(
  {
    Check: {
      path: "/envoy.service.auth.v3.Authorization/Check",
      requestStream: false,
      responseStream: false,
      requestDeserialize: (bytes) => fromBinary(CheckRequestSchema, bytes),
      requestSerialize: (message) => Buffer.from(toBinary(CheckRequestSchema, message)),
      responseSerialize: (bytes) => bytes,
      responseDeserialize: (bytes) => bytes,
    },
  },
  {
    Check({ request }, done) {
      process.send({ asked: toJson(CheckRequestSchema, request) });
      const wanted = request.attributes?.request?.http?.headers["x-case"] ?? "allow";
      if (wanted === "slow") return;
      if (wanted === "fails") done({ code: status.INTERNAL, details: "broken" });
      else if (wanted === "garbage") done(null, Buffer.from([0x0a, 0xff]));
      else if (wanted === "huge") done(null, Buffer.alloc(2_000_000));
      else
        done(null, Buffer.from(toBinary(CheckResponseSchema, create(CheckResponseSchema, answerTo(wanted)))));
    },
  },
);
server.bindAsync(`127.0.0.1:${process.argv[2] ?? 0}`, ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send({ port });
});
process.on("disconnect", () => process.exit(0));
