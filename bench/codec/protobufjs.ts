import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor.js";
import protojson from "protobufjs/ext/protojson.js";

/** protobufjs with its ProtoJSON. */
export interface ProtobufjsCodec {
  toJson(type: string, wire: Uint8Array): unknown;
  fromJson(type: string, json: unknown): Uint8Array;
}

export function protobufjsCodec(image: Uint8Array): ProtobufjsCodec {
  protojson.install();
  void descriptor;
  const root = protobuf.Root.fromDescriptor(image);
  root.resolveAll();
  const types = new Map<string, protobuf.Type>();
  const lookup = (name: string): protobuf.Type => {
    let type = types.get(name);
    if (type === undefined) {
      type = root.lookupType(name);
      types.set(name, type);
    }
    return type;
  };
  return {
    toJson(name, wire) {
      const type = lookup(name);
      return type.toJson(type.decode(wire));
    },
    fromJson(name, json) {
      const type = lookup(name);
      return type.encode(type.fromJson(json)).finish();
    },
  };
}
