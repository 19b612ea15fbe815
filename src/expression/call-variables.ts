import { type CelInput, type CelMap, celMap } from "@bufbuild/cel";
import { type DescMessage, isMessage, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Call, CallBase, PeerCertificate, Principal } from "#rpc";
import { normalizedPath } from "./normalized-path.ts";
import { type RecordReader, RecordView } from "./record-view.ts";

/** What an expression says of a call, each made when it is asked for. */
export class CallVariables {
  readonly #call: CallBase;
  readonly #input: CelInput;

  /** @param input the request, decoded; only where the expression names it */
  constructor(call: Call, input?: { readonly type: DescMessage; readonly message: Message }) {
    this.#call = call;
    this.#input = input === undefined ? null : reflect(input.type, input.message);
  }

  get caller(): CelMap {
    return celMap(new RecordView(this.#call, caller));
  }

  get method(): CelMap {
    return celMap(new RecordView(this.#call, method));
  }

  get peer(): CelMap {
    return celMap(new RecordView(this.#call, peer));
  }

  get request(): CelMap {
    return celMap(new RecordView(this.#call, request));
  }

  get path(): string {
    return normalizedPath(this.#call.context.httpPath);
  }

  get input(): CelInput {
    return this.#input;
  }
}

/** Whoever is not known has no fields at all, so that a rule which asks for one does not hold. */
const caller: RecordReader<CallBase> = {
  read({ context: { principal } }, name) {
    return principal === undefined ? undefined : readPrincipal(principal, name);
  },
  names({ context: { principal } }) {
    return principal === undefined
      ? []
      : new Set(["sub", "iss", "scopes", "provider", "claims", ...Object.keys(principal.claims)]);
  },
};

function readPrincipal(principal: Principal, name: string): CelInput | undefined {
  switch (name) {
    case "sub":
      return principal.subject;
    case "scopes":
      return principal.scopes;
    case "provider":
      return principal.provider;
    case "claims":
      return celMap(new RecordView(principal.claims, claims));
    default:
      return claims.read(principal.claims, name);
  }
}

const claims: RecordReader<Readonly<Record<string, unknown>>> = {
  read: (all, name) => (Object.hasOwn(all, name) ? jsonValue(all[name]) : undefined),
  names: (all) => Object.keys(all),
};

/** A value of JSON, as CEL has it; numbers are doubles. Undefined for what JSON does not have. */
function jsonValue(value: unknown): CelInput | undefined {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return value;
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return value.map((each: unknown) => jsonValue(each) ?? null);
      return isMessage(value) ? undefined : celMap(new RecordView({ ...value }, claims));
    default:
      return undefined;
  }
}

const method: RecordReader<CallBase> = {
  read({ method: { name, service }, context: { route } }, field) {
    switch (field) {
      case "name":
        return name;
      case "service":
        return service;
      case "package":
        return service.slice(0, Math.max(0, service.lastIndexOf(".")));
      case "route":
        return route;
      default:
        return undefined;
    }
  },
  names: () => ["name", "service", "package", "route"],
};

const peer: RecordReader<CallBase> = {
  read({ context }, name) {
    switch (name) {
      case "ip":
        return context.peer.address;
      case "port":
        return BigInt(context.peer.port);
      case "certificate":
        return context.peer.certificate === undefined
          ? undefined
          : celMap(new RecordView(context.peer.certificate, certificate));
      default:
        return undefined;
    }
  },
  names: () => ["ip", "port", "certificate"],
};

const certificate: RecordReader<PeerCertificate> = {
  read({ subject, subjectAltNames, fingerprint256 }, name) {
    switch (name) {
      case "subject":
        return subject;
      case "subject_alt_names":
        return subjectAltNames;
      case "fingerprint":
        return fingerprint256;
      default:
        return undefined;
    }
  },
  names: () => ["subject", "subject_alt_names", "fingerprint"],
};

const request: RecordReader<CallBase> = {
  read(call, name) {
    switch (name) {
      case "header":
        return celMap(new RecordView(call, header));
      case "path":
        return normalizedPath(call.context.httpPath);
      case "http_method":
        return call.context.httpMethod;
      case "protocol":
        return call.context.protocol;
      case "time":
        return timestampFromMs(Date.now());
      default:
        return undefined;
    }
  },
  names: () => ["header", "path", "http_method", "protocol", "time"],
};

/** Several values of a name are one, as RFC 9110 5.3 joins them. */
const header: RecordReader<CallBase> = {
  read(call, name) {
    const first = call.header.get(name);
    return first === undefined ? undefined : call.header.getAll(name).join(", ");
  },
  names: (call) => new Set([...call.header].map(([name]) => name)),
};
