// Answers the runner of the protobuf conformance suite over stdin and stdout. JSON goes through our codec; what has
// no JSON in it, which is not ours, through the reference library.
import { readSync, writeSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createCodecs } from "#codec";
import { loadMessages } from "./messages.js";

const registry = loadMessages();
const Request = registry.getMessage("conformance.ConformanceRequest");
const Response = registry.getMessage("conformance.ConformanceResponse");
// Compiled codecs, unless CODEC_COMPILE says otherwise; see CodecOptions.
const compile = process.env.CODEC_COMPILE ?? "at first";
const strict = createCodecs(registry, { compile });
const lenient = createCodecs(registry, { compile, ignoreUnknownFields: true });
const format = { protobuf: 1, json: 2 };
const ignoringUnknown = 3;

for (let size = readBytes(4); size !== undefined; size = readBytes(4)) {
  const request = fromBinary(Request, readBytes(size.readUInt32LE()));
  const response = toBinary(Response, create(Response, { result: answer(request) }));
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(response.length);
  writeBytes(Buffer.concat([prefix, response]));
}

function answer({ payload, messageType, requestedOutputFormat, testCategory }) {
  const type = registry.getMessage(messageType);
  if (type === undefined) return { case: "runtimeError", value: `unknown type ${messageType}` };
  const input =
    payload.case === "jsonPayload" ? "json" : payload.case === "protobufPayload" ? "wire" : undefined;
  const output = { [format.protobuf]: "wire", [format.json]: "json" }[requestedOutputFormat];
  if (input === undefined || output === undefined)
    return { case: "skipped", value: "neither JSON nor binary" };
  const codec = (testCategory === ignoringUnknown ? lenient : strict).message(type);

  let wire;
  try {
    if (input === "json") wire = codec.fromJson(Buffer.from(payload.value));
    else if (output === "json") wire = payload.value;
    else wire = toBinary(type, fromBinary(type, payload.value));
  } catch (error) {
    return { case: "parseError", value: String(error) };
  }
  if (output === "wire") return { case: "protobufPayload", value: wire };
  try {
    return { case: "jsonPayload", value: Buffer.from(codec.toJson(wire)).toString() };
  } catch (error) {
    // Parsing and printing are one step here: bytes that are no message at all are the input's fault.
    return { case: isMessage(type, wire) ? "serializeError" : "parseError", value: String(error) };
  }
}

function isMessage(type, wire) {
  try {
    fromBinary(type, wire);
    return true;
  } catch {
    return false;
  }
}

function readBytes(size) {
  const bytes = Buffer.alloc(size);
  for (let read = 0; read < size; ) {
    const more = readSync(0, bytes, read, size - read, null);
    if (more === 0) return undefined;
    read += more;
  }
  return bytes;
}

function writeBytes(bytes) {
  for (let written = 0; written < bytes.length; ) written += writeSync(1, bytes, written);
}
