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
    ["2.3.3: index 0", "80"],
    ["2.3.3: an index beyond the tables", "be"],
    ["4.2: a change of size after a field", "8220"],
    ["5.1: an integer without its end", "ff80"],
    ["5.1: an integer too large", "ffffffffffff7f"],
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
        const name = ["content-type", "x-a", "x-b", "authorization", ":status", "date", `x-${random(300)}`][
          random(7)
        ]!;
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

  test("4.2: tells the smallest size in between as well", () => {
    const encoder = new HpackEncoder(4096);
    encoder.resize(0);
    encoder.resize(100);
    expect(encode(encoder, [])).toEqual(Buffer.of(0x20, 0x3f, 69));
    expect(encode(encoder, [])).toEqual(Buffer.of());
  });
});
