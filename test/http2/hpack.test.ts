import { describe, expect, test } from "vitest";
import { decodeHuffman, encodeHuffman, huffmanSize } from "../../src/http2/hpack/huffman.ts";
import { HpackDecoder, HpackEncoder } from "../../src/http2/hpack/index.ts";

function decode(decoder: HpackDecoder, hex: string): string[] {
  const block = Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
  const fields: string[] = [];
  decoder.decode(block, 0, block.length, { add: ({ name, value }) => fields.push(`${name}: ${value}`) });
  return fields;
}

describe("RFC 7541 Appendix C", () => {
  const first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
  const second = [...first, "cache-control: no-cache"];
  const third = [
    ":method: GET",
    ":scheme: https",
    ":path: /index.html",
    ":authority: www.example.com",
    "custom-key: custom-value",
  ];
  const rows: readonly (readonly [
    name: string,
    limit: number,
    blocks: readonly (readonly [string, readonly string[]])[],
  ])[] = [
    [
      "C.2.1: a literal with indexing",
      4096,
      [["400a637573746f6d2d6b65790d637573746f6d2d686561646572", ["custom-key: custom-header"]]],
    ],
    ["C.2.2: a literal without indexing", 4096, [["040c2f73616d706c652f70617468", [":path: /sample/path"]]]],
    [
      "C.2.3: a literal that is never indexed",
      4096,
      [["100870617373776f726406736563726574", ["password: secret"]]],
    ],
    ["C.2.4: an indexed field", 4096, [["82", [":method: GET"]]]],
    [
      "C.3: requests without Huffman",
      4096,
      [
        ["828684410f7777772e6578616d706c652e636f6d", first],
        ["828684be58086e6f2d6361636865", second],
        ["828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", third],
      ],
    ],
    [
      "C.4: requests with Huffman",
      4096,
      [
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff", first],
        ["828684be5886a8eb10649cbf", second],
        ["828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", third],
      ],
    ],
    [
      "C.5: responses without Huffman, and what a small table has to let go",
      256,
      [
        [
          "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
          [
            ":status: 302",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
          ],
        ],
        [
          "4803333037c1c0bf",
          [
            ":status: 307",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
          ],
        ],
        [
          "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
          [
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com",
            "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
          ],
        ],
      ],
    ],
    [
      "C.6: responses with Huffman, and what a small table has to let go",
      256,
      [
        [
          "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
          [
            ":status: 302",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
          ],
        ],
        [
          "4883640effc1c0bf",
          [
            ":status: 307",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
          ],
        ],
        [
          "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
          [
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com",
            "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
          ],
        ],
      ],
    ],
  ];
  test.each(rows)("%s", (_name, limit, blocks) => {
    const decoder = new HpackDecoder(limit);
    for (const [hex, fields] of blocks) expect(decode(decoder, hex)).toEqual(fields);
  });
});

describe("what is no header block", () => {
  const rows: readonly (readonly [section: string, hex: string])[] = [
    ["2.3.3 and 6.1: index 0", "80"],
    ["2.3.3: the name of an index beyond the tables", "7e0161"],
    ["2.3.3: an index beyond the tables", "be"],
    ["4.2: a change of size after a field", "8220"],
    ["4.2: a change of size after a field, though it is none", "823fe11f"],
    ["5.1: an integer without its end", "ff80"],
    ["5.1: an integer too large", "ffffffffffff7f"],
    ["5.1: an integer of too many octets, though it is small", "ff808080808000"],
    ["5.1: a length too large", "407fffffffffff7f61"],
    ["5.2: a text beyond the block", "400a6162"],
    ["5.2: a text that is not there", "40"],
    ["5.2: Huffman padding of eight bits", "4082ffff0161"],
    ["5.2: Huffman padding that is not ones", "408100"],
    ["5.2: the end-of-string symbol", "4084ffffffff0161"],
    ["6.3: a table larger than allowed", "3fe21f"],
  ];
  test.each(rows)("%s", (_section, hex) => {
    expect(() => decode(new HpackDecoder(4096), hex)).toThrow(expect.objectContaining({ code: 9 }));
  });
});

describe("the dynamic table", () => {
  const a = "4001610131";
  const b = "4001620132";

  test("4.1 and 4.3: a size is 32 octets more than what is in it, and a smaller one lets the oldest go", () => {
    const decoder = new HpackDecoder(4096);
    expect(decode(decoder, `${a}${b}bebf`)).toEqual(["a: 1", "b: 2", "b: 2", "a: 1"]);
    // 68 octets hold two entries of 34 each.
    expect(decode(decoder, "3f25bebf")).toEqual(["b: 2", "a: 1"]);
    expect(decode(decoder, "3f24be")).toEqual(["b: 2"]);
    expect(() => decode(decoder, "bf")).toThrow();
  });

  test("4.2 and 6.3: up to two changes of size begin a block, and a size of 0 empties the table", () => {
    const decoder = new HpackDecoder(4096);
    decode(decoder, a);
    expect(decode(decoder, `203fe11f${b}be`)).toEqual(["b: 2", "b: 2"]);
    expect(() => decode(decoder, "bf")).toThrow();
  });

  test("4.4: an entry larger than the table empties it, and is no fault", () => {
    const decoder = new HpackDecoder(64);
    decode(decoder, a);
    const large = `400178${(40).toString(16)}${"79".repeat(40)}`;
    expect(decode(decoder, large)).toEqual([`x: ${"y".repeat(40)}`]);
    expect(() => decode(decoder, "be")).toThrow();
  });

  test("4.4: the name of an entry that goes for its own sake is still known", () => {
    const decoder = new HpackDecoder(34);
    decode(decoder, a);
    expect(decode(decoder, "7e0133be")).toEqual(["a: 3", "a: 3"]);
  });

  test("2.3.2: the same entry twice is no fault", () => {
    expect(decode(new HpackDecoder(4096), `${a}${a}bebf`)).toEqual(["a: 1", "a: 1", "a: 1", "a: 1"]);
  });

  test("6.2.2 and 6.2.3: what is not to be indexed does not come into it", () => {
    const decoder = new HpackDecoder(4096);
    expect(decode(decoder, "00016101311001620132")).toEqual(["a: 1", "b: 2"]);
    expect(() => decode(decoder, "be")).toThrow();
  });
});

test("every octet survives Huffman, alone and in company", () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)).toString("latin1");
  for (const text of [...all, all, all.repeat(3), "", "www.example.com"]) {
    const coded = Buffer.alloc(4 * text.length + 8);
    const end = encodeHuffman(text, coded, 0);
    expect(end).toBe(huffmanSize(text));
    const decoded = Buffer.alloc(2 * text.length + 8);
    expect(decoded.toString("latin1", 0, decodeHuffman(coded, 0, end, decoded))).toBe(text);
  }
});

describe("the encoder", () => {
  function encode(encoder: HpackEncoder, fields: readonly string[]): Buffer {
    const to = Buffer.alloc(HpackEncoder.room(fields));
    let at = encoder.begin(to, 0);
    for (let i = 0; i < fields.length; i += 2) at = encoder.field(fields[i]!, fields[i + 1]!, to, at);
    return to.subarray(0, at);
  }
  const shown = (fields: readonly string[]): string[] =>
    fields.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${fields[i + 1]}`] : []));

  test("is understood, however often the same and others are sent and the table changes its size", () => {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder(4096);
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 2000; round++) {
      if (random(50) === 0) encoder.resize([0, 64, 200, 1000, 4096][random(5)]!);
      const fields = Array.from({ length: 1 + random(8) }, () => {
        const name = [
          "content-type",
          "x-a",
          "x-b",
          "authorization",
          ":status",
          "date",
          "ratelimit",
          `x-${random(300)}`,
        ][random(8)]!;
        return [name, name === ":status" ? "200" : "v".repeat(random(4) === 0 ? random(700) : 3) + random(3)];
      }).flat();
      const block = encode(encoder, fields);
      expect(decode(decoder, block.toString("hex"))).toEqual(shown(fields));
    }
  });

  test("sends a field in one octet once it was sent twice", () => {
    const encoder = new HpackEncoder(4096);
    const sizes = [1, 2, 3].map(() => encode(encoder, ["x-team", "catalog"]).length);
    expect(sizes[2]).toBe(1);
  });

  test.each(["x-request-id", "ratelimit", "x-ratelimit-remaining", "traceparent"])(
    "sends %s, which changes each time, by the place of its name",
    (name) => {
      const encoder = new HpackEncoder(4096);
      const sizes = ["aaaa", "bbbb", "cccc"].map((value) => encode(encoder, [name, value]).length);
      expect(sizes.slice(1)).toEqual([7, 7]);
    },
  );

  test("7.1.3: never lets what is secret be indexed, by itself or by others", () => {
    const encoder = new HpackEncoder(4096);
    for (const name of ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"]) {
      for (let i = 0; i < 3; i++) {
        const block = encode(encoder, [name, "secret"]);
        expect(block[0]! & 0xf0).toBe(0x10);
        expect(block.toString("latin1")).toContain("secret");
      }
    }
  });

  test("6.2.3: passes on as never indexed what came so, however often it is sent, and nothing else", () => {
    const before = encode(new HpackEncoder(4096), ["x-session", "abc"]);
    expect(before[0]! & 0xf0).toBe(0);
    decode(new HpackDecoder(4096), `1009782d73657373696f6e03616263`);
    const encoder = new HpackEncoder(4096);
    for (let i = 0; i < 3; i++) expect(encode(encoder, ["x-session", "abc"])[0]! & 0xf0).toBe(0x10);
    const sizes = [1, 2, 3].map(() => encode(encoder, ["x-session", "abd"]).length);
    expect(sizes[2]).toBe(1);
    decode(new HpackDecoder(4096), `1009782d73657373696f6e03616264`);
    expect(encode(encoder, ["x-session", "abd"])[0]! & 0xf0).toBe(0x10);
    // One that was indexed before it was known is not, from then on.
    const late = ["x-late", "abc"];
    for (let i = 0; i < 3; i++) encode(encoder, late);
    decode(new HpackDecoder(4096), `1006782d6c61746503616263`);
    expect(encode(encoder, late)[0]! & 0xf0).toBe(0x10);
  });

  test("6.2.3: passes on as never indexed what changes with each request, where it came so", () => {
    const encoder = new HpackEncoder(4096);
    const id = (text: string) => encode(encoder, ["x-request-id", text]);
    for (const text of ["aaa", "bbb", "ccc"]) id(text);
    const name = Buffer.from("x-request-id").toString("hex");
    decode(new HpackDecoder(4096), `100c${name}03646464`);
    expect(id("ddd")[0]! & 0xf0).toBe(0x10);
    expect(id("eee")[0]! & 0xf0).toBe(0);
  });

  test("6.2.3: of however many names", () => {
    const decoder = new HpackDecoder(4096);
    const count = 1200;
    for (let i = 0; i < count; i++) {
      const name = Buffer.from(`n${String(i).padStart(4, "0")}`).toString("hex");
      decode(decoder, `1005${name}0131`);
    }
    const encoder = new HpackEncoder(4096);
    expect(encode(encoder, [`n${count - 1}`, "1"])[0]! & 0xf0).toBe(0x10);
  });

  test("4.2: tells the smallest size in between as well", () => {
    const encoder = new HpackEncoder(4096);
    encoder.resize(0);
    encoder.resize(100);
    expect(encode(encoder, [])).toEqual(Buffer.of(0x20, 0x3f, 69));
    expect(encode(encoder, [])).toEqual(Buffer.of());
  });
});
