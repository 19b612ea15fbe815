import { describe, expect, test } from "vitest";
import { buildRouteTable, parseTemplate, type RoutingOptions, strictRouting } from "../../src/route/index.ts";

/** Routes such as `GET /a/{x}`, whose target is their own text. */
function table(routes: readonly string[], options: Partial<RoutingOptions> = {}) {
  return buildRouteTable(
    routes.map((text, index) => {
      const [httpMethod = "", template = ""] = text.split(" ");
      return {
        httpMethod,
        template: parseTemplate(template),
        target: text,
        name: `route ${index}`,
        location: { file: "a.proto", line: index + 1, column: 1 },
      };
    }),
    { ...strictRouting, ...options },
  );
}

function match(routes: readonly string[], request: string, options: Partial<RoutingOptions> = {}): string {
  const [method = "", path = ""] = request.split(" ");
  const found = table(routes, options).table.match(method, path);
  switch (found.kind) {
    case "found":
      return [found.target, ...found.captures.map((value) => JSON.stringify(value))].join(" ");
    case "method_not_allowed":
      return `405 ${found.allow.join(",")}`;
    case "not_found":
      return "404";
    case "redirect":
      return `308 ${found.path}`;
    case "malformed":
      return "400";
  }
}

describe("matching", () => {
  const cases: readonly [string, readonly string[], string, string][] = [
    ["the root", ["GET /"], "GET /", "GET /"],
    ["a literal", ["GET /a/b"], "GET /a/b", "GET /a/b"],
    ["case counts", ["GET /a"], "GET /A", "404"],
    ["a literal before a variable", ["GET /{x}", "GET /a"], "GET /a", "GET /a"],
    ["one segment before many", ["GET /{x=**}", "GET /{x}"], "GET /a", 'GET /{x} "a"'],
    ["left before right", ["GET /*/b", "GET /a/*"], "GET /a/b", "GET /a/*"],
    ["backtracking", ["GET /a/{x}/z", "GET /{y}/c/z"], "GET /b/c/z", 'GET /{y}/c/z "b"'],
    ["backtracking out of a literal", ["GET /a/b/c", "GET /a/{x}/d"], "GET /a/b/d", 'GET /a/{x}/d "b"'],
    ["backtracking into **", ["GET /a/{x}/c", "GET /{y=**}"], "GET /a/b/d", 'GET /{y=**} "a/b/d"'],
    [
      "another method's literal hides nothing",
      ["GET /v1/{id}", "POST /v1/search"],
      "GET /v1/search",
      'GET /v1/{id} "search"',
    ],
    [
      "several segments",
      ["GET /v1/{name=a/*/b/**}"],
      "GET /v1/a/1/b/2/3",
      'GET /v1/{name=a/*/b/**} "a/1/b/2/3"',
    ],
    ["** takes none", ["GET /a/{x=**}"], "GET /a", 'GET /a/{x=**} ""'],
    ["backtracking to the right", ["GET /a/b/{x}/z", "GET /a/{y}/c/z"], "GET /a/b/c/z", 'GET /a/b/{x}/z "c"'],
    ["backtracking to the left", ["GET /a/b/{x}/y", "GET /a/{y}/c/z"], "GET /a/b/c/z", 'GET /a/{y}/c/z "b"'],
    ["slashes that are encoded cut nothing", ["GET /{x}/{y}"], "GET /a%2Fb/c", 'GET /{x}/{y} "a/b" "c"'],
    ["** takes the root", ["GET /**"], "GET /", "GET /**"],
    ["** takes one segment", ["GET /**"], "GET /a", "GET /**"],
    ["** takes a slash at the end", ["GET /**"], "GET /a/", "GET /**"],
    ["several segments before a verb", ["GET /{x=**}:go"], "GET /a/b/c:go", 'GET /{x=**}:go "a/b/c"'],
    ["the case of a verb counts", ["GET /{x}:go"], "GET /a:Go", "404"],
    ["an encoded verb", ["GET /{x}:go"], "GET /a:%67o", 'GET /{x}:go "a"'],
    ["** keeps empty parts", ["GET /a/{x=**}"], "GET /a//b//", 'GET /a/{x=**} "/b//"'],
    ["* takes no empty part", ["GET /a/*/b"], "GET /a//b", "404"],
    ["a trailing slash is another path", ["GET /a"], "GET /a/", "404"],
    ["segments after **", ["GET /a/{x=**}/z"], "GET /a/b/c/z", 'GET /a/{x=**}/z "b/c"'],
    ["a longer suffix first", ["GET /{x=**}/z", "GET /{x=**}/y/z"], "GET /a/y/z", 'GET /{x=**}/y/z "a"'],
    ["a verb", ["GET /a/{x}:go"], "GET /a/b:go", 'GET /a/{x}:go "b"'],
    ["a verb beside none", ["GET /a/{x}", "GET /a/{x}:go"], "GET /a/b:go", 'GET /a/{x}:go "b"'],
    ["a verb of another route is data", ["GET /a/{x}", "GET /b/{x}:go"], "GET /a/b:go", 'GET /a/{x} "b:go"'],
    [
      "a verb of another method is data",
      ["GET /a/{x}", "POST /a/{x}:go"],
      "GET /a/b:go",
      'GET /a/{x} "b:go"',
    ],
    [
      "the last colon counts",
      ["GET /{a}/{b}:verb"],
      "GET /some:verb/const:verb",
      'GET /{a}/{b}:verb "some:verb" "const"',
    ],
    ["colons are data", ["GET /things/{id}"], "GET /things/urn:uuid:1", 'GET /things/{id} "urn:uuid:1"'],
    ["an encoded colon is data", ["GET /a/{x}:go", "GET /a/{x}"], "GET /a/b%3Ago", 'GET /a/{x} "b:go"'],
    ["a colon at the end is data", ["GET /a/{x}:go", "GET /a/{x}"], "GET /a/b:", 'GET /a/{x} "b:"'],
    ["a verb after **", ["GET /a/**:go"], "GET /a/b/c:go", "GET /a/**:go"],
    ["a verb after an empty **", ["GET /trailing/**:slash"], "GET /trailing:slash", "GET /trailing/**:slash"],
    [
      "a verb after an empty segment",
      ["GET /trailing/**:slash"],
      "GET /trailing/:slash",
      "GET /trailing/**:slash",
    ],
    ["HEAD by GET", ["GET /a"], "HEAD /a", "GET /a"],
    ["HEAD of its own first", ["GET /a", "HEAD /a"], "HEAD /a", "HEAD /a"],
    ["any method last", ["* /a", "GET /{x}"], "GET /a", 'GET /{x} "a"'],
    ["any method", ["* /a", "GET /{x}"], "PATCH /a", "* /a"],
    ["405 lists all", ["GET /a/{x}", "POST /a/b", "DELETE /{y}/b"], "PUT /a/b", "405 DELETE,GET,HEAD,POST"],
    ["404", ["GET /a"], "GET /b", "404"],
  ];
  test.each(cases)("%s", (_name, routes, request, expected) => {
    expect(match(routes, request)).toBe(expected);
    expect(match([...routes].reverse(), request)).toBe(expected);
  });
});

test.each(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "REPORT"])(
  "%s takes a verb",
  (method) => {
    const routes = [`${method} /a/{x}:go`, `${method} /a/{x}`];
    expect(match(routes, `${method} /a/b:go`)).toBe(`${routes[0]} "b"`);
    expect(match(routes, `${method} /a/b`)).toBe(`${routes[1]} "b"`);
  },
);

// Each takes the paths of all that come after it in its list, and none comes before it.
describe("what is more specific comes first, whatever the order of loading", () => {
  const orders: readonly (readonly [path: string, ...templates: string[]])[] = [
    [
      "/a/b/c",
      "/a/b/c",
      "/a/b/*",
      "/a/b/**",
      "/a/*/c",
      "/a/*/*",
      "/a/**",
      "/*/b/c",
      "/*/*/*",
      "/*/**",
      "/**",
    ],
    ["/a/b", "/a/b", "/a/{x=b/**}", "/a/*", "/*/b", "/{x=*/*}", "/{x=*}/**", "/{x=**}"],
    ["/v1/x:go", "/v1/x:go", "/v1/*:go", "/v1/**:go", "/*/x:go", "/**:go", "/v1/*", "/v1/**", "/**"],
    ["/a/b/z", "/a/b/z", "/a/*/z", "/a/**/b/z", "/a/**/z", "/a/**", "/**/a/b/z", "/**/b/z", "/**/z", "/**"],
    ["/a", "/a", "/a/**", "/*", "/*/**", "/**"],
  ];
  test.each(orders)("%s", (path, ...templates) => {
    for (let first = 0; first < templates.length; first++) {
      const left = templates.slice(first).map((template) => `GET ${template}`);
      for (const routes of [left, left.toReversed(), [...left.slice(1), left[0] ?? ""]]) {
        expect(match(routes, `GET ${path}`).split(" ").slice(0, 2).join(" ")).toBe(left[0]);
      }
    }
  });
});

describe("percent-decoding", () => {
  test.each([
    ["%20", "GET /{x}", '" "'],
    ["a%2Fb", "GET /{x}", '"a/b"'],
    ["a%2fb", "GET /{x=**}", '"a%2Fb"'],
    ["a%2Fb/c%20d", "GET /{x=**}", '"a%2Fb/c d"'],
    ["%2525", "GET /{x}", '"%25"'],
    ["%25", "GET /{x}", '"%"'],
    ["a+b", "GET /{x}", '"a+b"'],
    ["%C3%A4", "GET /{x}", '"ä"'],
    ["%00", "GET /{x}", '"\\u0000"'],
  ])("%s by %s", (path, route, expected) => {
    expect(match([route], `GET /${path}`)).toBe(`${route} ${expected}`);
  });

  test("every escape of ASCII, in both cases", () => {
    for (let code = 0; code < 128; code++) {
      const hex = code.toString(16).padStart(2, "0");
      const char = String.fromCharCode(code);
      for (const encoded of [`%${hex.toLowerCase()}`, `%${hex.toUpperCase()}`]) {
        // A dot alone would be a dot segment.
        expect(match(["GET /{x}"], `GET /_${encoded}`)).toBe(`GET /{x} ${JSON.stringify(`_${char}`)}`);
      }
    }
  });

  test.each([
    "/%zz",
    "/%2",
    "/%",
    "/a/../b",
    "/a/./b",
    "/..",
    "/a/%2e%2e/b",
    "/a/%2E./b",
    "/%ff",
    "/%C3%28",
    "x",
  ])("%s is refused", (path) => {
    expect(match(["GET /{x=**}"], `GET ${path}`)).toBe("400");
  });

  test.each(["/.a", "/...", "/a../b", "/%2e%2e%2e", "/.%61/b", "/a/%2E%2E.", "/a.b/..c"])(
    "%s has no dot segments",
    (path) => {
      expect(match(["GET /{x=**}"], `GET ${path}`)).toMatch(/^GET /);
    },
  );

  test("an escape that is cut off is one, whatever path came before", () => {
    const { table: built } = table(["GET /{x=**}"]);
    for (const cut of ["/b/%4", "/b/%"]) {
      expect(built.match("GET", "/a/%41")).toMatchObject({ captures: ["a/A"] });
      expect(built.match("GET", cut).kind).toBe("malformed");
    }
  });

  test("characters that are no ASCII are bytes", () => {
    expect(match(["GET /{x}"], "GET /Ã¤")).toBe('GET /{x} "ä"');
    expect(match(["GET /{x}"], "GET /ä")).toBe("400");
    expect(match(["GET /{x}"], "GET /\u0125")).toBe("400");
  });

  test("a literal matches in whichever way it is escaped", () => {
    expect(match(["GET /a%2cb~"], "GET /a%2Cb%7E")).toBe("GET /a%2cb~");
    expect(match(["GET /a"], "GET /%61")).toBe("GET /a");
    expect(match(["GET /a%20b"], "GET /a%20b")).toBe("GET /a%20b");
    expect(match(["GET /a"], "GET /a%2F")).toBe("404");
  });
});

test("literals that differ in any one character are told apart", () => {
  const texts = Array.from({ length: 40 }, (_, at) => `${"a".repeat(at)}b${"a".repeat(39 - at)}`);
  const { table: built } = table(texts.map((text) => `GET /v1/${text}/c`));
  for (const text of texts) {
    expect(built.match("GET", `/v1/${text}/c`)).toMatchObject({ target: `GET /v1/${text}/c` });
  }
  expect(built.match("GET", `/v1/${"a".repeat(40)}/c`).kind).toBe("not_found");
});

test("what one path was like says nothing of the next", () => {
  const { table: built } = table(["GET /a/b", "GET /c/d", "GET /e/{x}:go", "GET /e/{x}"]);
  const found = (path: string) => {
    const match = built.match("GET", path);
    return match.kind === "found" ? match.target : match.kind;
  };
  expect(["/%61/b", "/c/%64", "/%61/%62", "/c/d", "/e/x:go", "/e/x%3Ago", "/a/b"].map(found)).toEqual([
    "GET /a/b",
    "GET /c/d",
    "GET /a/b",
    "GET /c/d",
    "GET /e/{x}:go",
    "GET /e/{x}",
    "GET /a/b",
  ]);
});

describe("switches", () => {
  const cases: readonly [Partial<RoutingOptions>, readonly string[], string, string][] = [
    [{ trailingSlash: "strip" }, ["GET /a/b"], "GET /a/b//", "GET /a/b"],
    [{ trailingSlash: "strip" }, ["GET /a/{x=**}"], "GET /a/b/", 'GET /a/{x=**} "b"'],
    [{ trailingSlash: "strip" }, ["GET /"], "GET ///", "GET /"],
    [{ trailingSlash: "strip" }, ["GET /a/{x}:go"], "GET /a/b:go/", 'GET /a/{x}:go "b"'],
    [{ trailingSlash: "redirect" }, ["GET /a/b"], "GET /a/b/", "308 /a/b"],
    [{ trailingSlash: "redirect" }, ["GET /a/b"], "POST /a/b/", "404"],
    [{ trailingSlash: "redirect" }, ["GET /a/{x=**}"], "GET /a/b/", 'GET /a/{x=**} "b/"'],
    [{ trailingSlash: "redirect" }, ["GET /a", "GET /{x=**}/z"], "GET //z/", "404"],
    [
      { keptEscapes: "reserved" },
      ["GET /{x=**}"],
      "GET /a%2fb%3a%21c%20%C3%A4",
      'GET /{x=**} "a%2Fb%3A%21c ä"',
    ],
    [{ keptEscapes: "reserved" }, ["GET /{x}"], "GET /a%2Fb%3A", 'GET /{x} "a/b:"'],
    [{ keptEscapes: "none" }, ["GET /{x=**}"], "GET /a%2Fb", 'GET /{x=**} "a/b"'],
    [{ everyColonIsVerb: true }, ["GET /things/{id}"], "GET /things/urn:uuid:1", "404"],
    [{ everyColonIsVerb: true }, ["GET /things/{id}:go"], "GET /things/a:go", 'GET /things/{id}:go "a"'],
    [{ everyColonIsVerb: true }, ["GET /things/{id}"], "GET /things/a:", 'GET /things/{id} "a:"'],
    [{ conflicts: "first" }, ["GET /a/{x}", "GET /a/{y}"], "GET /a/b", 'GET /a/{x} "b"'],
    [{ conflicts: "last" }, ["GET /a/{x}", "GET /a/{y}"], "GET /a/b", 'GET /a/{y} "b"'],
  ];
  test.each(cases)("%o %s %s", (options, routes, request, expected) => {
    expect(match(routes, request, options)).toBe(expected);
  });

  test("a conflict that is decided is a warning", () => {
    expect(table(["GET /a/{x}", "GET /a/{y}"], { conflicts: "last" }).problems).toMatchObject([
      { severity: "warning", message: expect.stringMatching(/a\.proto:1.*the last one counts/) },
    ]);
  });
});

describe("conflicts", () => {
  test("two routes for the same name both, whatever their variables are called", () => {
    const { problems } = table(["GET /a/{x}", "POST /a/{x}", "GET /a/{y=*}"]);
    expect(problems).toEqual([
      {
        severity: "error",
        message: "route 2 and route 0 (a.proto:1) are both bound to GET /a/{y=*}",
        file: "a.proto",
        line: 3,
        column: 1,
      },
    ]);
  });
});

describe("upgrades", () => {
  const upgrade = (routes: readonly string[], path: string) => {
    const found = table(routes).table.matchUpgrade(path, (target) => target.includes("stream"));
    return found.kind === "found"
      ? found.target
      : found.kind === "ambiguous"
        ? `ambiguous ${found.names.join(",")}`
        : found.kind;
  };
  test.each([
    [["GET /a", "WEBSOCKET /a", "POST /a"], "WEBSOCKET /a"],
    [["POST /a", "GET /a"], "GET /a"],
    [["POST /{stream}", "PUT /{x}"], "POST /{stream}"],
    [["POST /a"], "POST /a"],
    [["POST /a", "PUT /a"], "ambiguous POST,PUT"],
    [["POST /b/c"], "not_found"],
  ])("%s", (routes, expected) => {
    expect(upgrade(routes, "/a")).toBe(expected);
  });
});

describe("hostile paths", () => {
  test("very many slashes, and patterns that differ at their ends alone", () => {
    expect(match(["GET /{x=**}/end"], `GET ${"/a".repeat(64_000)}`)).toBe("404");
    const routes = Array.from(
      { length: 12 },
      (_, index) => `GET /${Array.from({ length: 12 }, (__, at) => (at === index ? "a" : "*")).join("/")}/x`,
    );
    const { table: built } = table(routes);
    const path = `/${Array.from({ length: 12 }, () => "a").join("/")}/y`;
    expect(built.match("GET", path).kind).toBe("not_found");
  });

  test("names of JavaScript's own are text", () => {
    expect(match(["GET /{x}"], "GET /__proto__")).toBe('GET /{x} "__proto__"');
    expect(match(["GET /a"], "constructor /a")).toBe("405 GET,HEAD");
  });
});
