import { createFileRegistry, fromBinary, toJson, fromJsonString, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { gunzipSync } from "node:zlib"; import { readFileSync } from "node:fs";
import { createCodecs } from "#codec";
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, gunzipSync(readFileSync("test/conformance/messages.binpb.gz"))));
const P3="protobuf_test_messages.proto3.TestAllTypesProto3", P2="protobuf_test_messages.proto2.TestAllTypesProto2";
const T=n=>registry.getMessage(n);
function both(name, wire){ for (const c of ["at first","never"]) { let o; try{o=Buffer.from(createCodecs(registry,{compile:c}).message(T(name)).toJson(Buffer.from(wire))).toString()}catch(e){o=e.name+": "+e.message} console.log(c.padEnd(9),o);} let r; try{ r=JSON.stringify(toJson(T(name),fromBinary(T(name),Buffer.from(wire)),{registry}))}catch(e){r="ERR "+e.message} console.log("ref      ",r,"\n"); }
function rd(name,json,opt={}){ for (const c of ["at first","never"]) { let o; try{o=Buffer.from(createCodecs(registry,{compile:c,...opt}).message(T(name)).fromJson(Buffer.from(json))).toString("hex")}catch(e){o=e.name+": "+e.message} console.log(c.padEnd(9),json.slice(0,60),o);} let r; try{ r=Buffer.from(toBinary(T(name),fromJsonString(T(name),json,{registry}))).toString("hex")}catch(e){r="ERR "+e.message} console.log("ref      ",r,"\n"); }
console.log("value bool overlong"); both("google.protobuf.Value",[0x20,0x80,0x00]); both("google.protobuf.Value",[0x20,0x80,0x01]);
both("google.protobuf.Value",[0x08,0x05]); both("google.protobuf.Value",[0x11,0,0,0,0,0,0,0xf8,0x7f]);
console.log("value: string then struct merge"); both("google.protobuf.Value",[0x1a,1,97,0x20,1]); both("google.protobuf.Value",[0x2a,7,10,5,10,1,97,0x12,0, 0x2a,0]);
console.log("fieldmask"); both("google.protobuf.FieldMask",[10,0]); both("google.protobuf.FieldMask",[10,1,97,10,0]);both("google.protobuf.FieldMask",[10,3,97,0x2c,98]); both("google.protobuf.FieldMask",[10,3,97,95,49]);
rd("google.protobuf.FieldMask",'"a,,b"');rd("google.protobuf.FieldMask",'",a"');rd("google.protobuf.FieldMask",'" a"');
console.log("any"); both("google.protobuf.Any",[10,0,18,0]); both("google.protobuf.Any",[10,3,97,98,99,18,1,1]); both("google.protobuf.Any",[10,2,47,97]);
rd("google.protobuf.Any",'{"@type":""}'); rd("google.protobuf.Any",'{"@type":"google.protobuf.Empty"}');rd("google.protobuf.Any",'{"@type":"/google.protobuf.Duration","value":"1s"}');rd("google.protobuf.Any",'{"@type":null}');rd("google.protobuf.Any",'{"@type":"x/google.protobuf.Duration","value":null}');rd("google.protobuf.Any",'{"@type":"x/google.protobuf.Value","value":null}');rd("google.protobuf.Any",'{"@type":"x/google.protobuf.Duration"}');
rd("google.protobuf.Any",'{"@type":"x/google.protobuf.Empty","value":{}}');rd("google.protobuf.Any",'{"@type":"x/google.protobuf.Empty"}');
console.log("packed fixed bad"); both(P3,[0xba,2,3,1,2,3]); // whatever
console.log("int dup"); rd(P3,'{"mapInt32Int32":{"1":1,"01":2}}');rd(P3,'{"mapInt32Int32":{" 1":1}}');rd(P3,'{"mapInt32Int32":{"1e2":1}}');rd(P3,'{"mapUint64Uint64":{"18446744073709551615":"18446744073709551615"}}');
rd(P3,'{"mapStringNullValue":{}}');rd(P3,'{"optionalNullValue":null}');rd(P3,'{"oneofNullValue":null}');rd(P3,'{"oneofNullValue":"NULL_VALUE"}');rd(P3,'{"optionalNullValue":0}');rd(P3,'{"oneofNullValue":null,"oneofUint32":1}');
rd(P3,'{"optionalBoolWrapper":null}');rd(P3,'{"repeatedBoolWrapper":[null]}');rd(P3,'{"optionalInt64Wrapper":{"value":1}}');
rd(P3,'{"repeatedValue":[null,1]}');rd(P3,'{"repeatedListValue":[null]}');rd(P3,'{"repeatedNestedEnum":[null]}');
rd("google.protobuf.Duration",'"-0.5s"');rd("google.protobuf.Duration",'"1.s"');rd("google.protobuf.Duration",'".5s"');rd("google.protobuf.Duration",'"+1s"');rd("google.protobuf.Duration",'"315576000000.999999999s"');rd("google.protobuf.Duration",'"1.0000000001s"');rd("google.protobuf.Duration",'"-0s"');
rd("google.protobuf.Timestamp",'"2024-01-01T00:00:60Z"');rd("google.protobuf.Timestamp",'"2024-01-01T24:00:00Z"');rd("google.protobuf.Timestamp",'"2024-01-01T00:00:00.1234567890Z"');rd("google.protobuf.Timestamp",'"9999-12-31T23:59:59-00:01"');rd("google.protobuf.Timestamp",'"2024-01-01t00:00:00z"');rd("google.protobuf.Timestamp",'"2024-01-01T00:00:00"');rd("google.protobuf.Timestamp",'"0000-01-01T00:00:00Z"');rd("google.protobuf.Timestamp",'"2024-01-01T00:00:00.Z"');rd("google.protobuf.Timestamp",'"10000-01-01T00:00:00Z"');rd("google.protobuf.Timestamp",'"2024-01-01T00:00:00+24:00"');
