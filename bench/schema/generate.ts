import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

/** How large a schema to make; the defaults are those of all of googleapis. */
export interface Size {
  readonly services: number;
  readonly methods: number;
  /** HTTP rules, the first of each method and additional ones. */
  readonly bindings: number;
  /** Rules whose path ends in a verb, `:archive`. */
  readonly verbs: number;
  readonly messagesPerService: number;
  readonly fieldsPerMessage: number;
}

export const googleapis: Size = {
  services: 1731,
  methods: 12_344,
  bindings: 14_286,
  verbs: 4267,
  messagesPerService: 14,
  fieldsPerMessage: 7,
};

const nouns = ["instance", "backup", "policy", "session", "dataset", "endpoint", "snapshot", "certificate"];
const types = [
  "string",
  "int64",
  "bool",
  "double",
  "bytes",
  "google.protobuf.Timestamp",
  "repeated string",
  "map<string, string>",
];

/** Writes the schema as a folder of `.proto` files: two for each service. The same size gives the same bytes. */
export async function generate(folder: string, size: Size): Promise<void> {
  for (let service = 0; service < size.services; service++) {
    const dir = path.join(folder, `bench/area${service % 40}/service${service}/v1`);
    await mkdir(dir, { recursive: true });
    await writeFile(path.join(dir, "resources.proto"), resources(service, size));
    await writeFile(path.join(dir, "service.proto"), serviceFile(service, size));
  }
}

/** The part of a total that falls to one of so many. */
function share(total: number, of: number, index: number): number {
  return Math.floor((total * (index + 1)) / of) - Math.floor((total * index) / of);
}

function head(service: number, imports: readonly string[]): string {
  const lines = imports.map((name) => `import "${name}";`).join("\n");
  return `syntax = "proto3";\n\npackage bench.area${service % 40}.service${service}.v1;\n\n${lines}\n`;
}

function resources(service: number, size: Size): string {
  const messages = Array.from({ length: size.messagesPerService }, (_, index) => resource(index, size));
  const imports = [
    "google/api/field_behavior.proto",
    "google/api/resource.proto",
    "google/protobuf/timestamp.proto",
  ];
  return `${head(service, imports)}\n${messages.join("\n")}`;
}

function resource(index: number, size: Size): string {
  const noun = nouns[index % nouns.length] as string;
  const fields = Array.from({ length: size.fieldsPerMessage }, (_, field) => {
    const type = types[(index + field) % types.length] as string;
    const behavior = field % 3 === 0 ? "[(google.api.field_behavior) = OPTIONAL]" : "";
    return `  // Output only. What the ${noun} has for its property number ${field}, as it was when the resource was last read by anybody
  // who was allowed to. Values that are not known are left out, and an empty value means that there is none.
  ${type} ${noun}_property_number_${field} = ${field + 2} ${behavior};`;
  });
  return `// One ${noun}, kept in the collection number ${index} of its parent, with everything that can be said of it.
message Resource${index} {
  option (google.api.resource) = {
    type: "bench.test/Resource${index}"
    pattern: "projects/{project}/locations/{location}/collection${index}/{resource}"
  };
  // The states that a resource passes through.
  enum State {
    // Not said.
    STATE_UNSPECIFIED = 0;
    // In use.
    ACTIVE = 1;
    // On its way out.
    DELETING = 2;
  }
  // Identifies the resource.
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
${fields.join("\n")}
  // Where it stands.
  State state = ${size.fieldsPerMessage + 2};
}
`;
}

function serviceFile(service: number, size: Size): string {
  const methods = share(size.methods, size.services, service);
  const verbs = share(size.verbs, size.services, service);
  const extra = share(size.bindings - size.methods, size.services, service);
  const imports = [
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    `bench/area${service % 40}/service${service}/v1/resources.proto`,
  ];
  const parts = Array.from({ length: methods }, (_, index) =>
    method(service, index, size, index < verbs, index === methods - 1 ? extra : 0),
  );
  const rpcs = parts.map(({ rpc }) => rpc).join("\n");
  const requests = parts.map(({ request }) => request).join("\n");
  return `${head(service, imports)}
// Manages the resources of service number ${service}.
service Service${service} {
${rpcs}
}

${requests}`;
}

function method(
  service: number,
  index: number,
  { messagesPerService }: Size,
  hasVerb: boolean,
  extra: number,
): { rpc: string; request: string } {
  const kind = index % messagesPerService;
  const collection = `service${service}/collection${index}`;
  const verb = hasVerb ? `:process${index}` : "";
  const [http, body] = hasVerb || index % 3 === 1 ? ["post", '\n      body: "*"'] : ["get", ""];
  const bindings = Array.from(
    { length: extra },
    (_, number) => `
      additional_bindings { ${http}: "/v1/{name=folders${number}/*/${collection}/*}${verb}"${body} }`,
  );
  return {
    rpc: `  // Does to a resource what method number ${index} is there for, and answers with the resource as it is afterwards. Callers
  // need the permission to do so on the parent; who lacks it is told that there is no such resource.
  rpc Method${index}(Method${index}Request) returns (Resource${kind}) {
    option (google.api.http) = {
      ${http}: "/v1/{name=projects/*/locations/*/${collection}/*}${verb}"${body}${bindings.join("")}
    };
  }`,
    request: `// What Method${index} is to be told.
message Method${index}Request {
  // Required. The name of the resource.
  string name = 1 [(google.api.field_behavior) = REQUIRED];
  // The resource as it shall be.
  Resource${kind} resource = 2;
  // Only check whether it could be done.
  bool validate_only = 3;
}
`,
  };
}
