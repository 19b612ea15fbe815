import { crc32, deflateSync } from "node:zlib";

/** Draws a pattern of its own for every text: as a PNG, a square of so many pixels. */
export function drawPng(text: string, size: number): Uint8Array {
  const palette = paletteOf(text);
  const { folds, rings, twist } = shapeOf(text);
  // Each row begins with the number of its filter: none (PNG specification 9.2).
  const rows = Buffer.alloc(size * (size + 1));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const u = (2 * x + 1) / size - 1;
      const v = (2 * y + 1) / size - 1;
      const radius = Math.hypot(u, v);
      const wave = Math.cos(folds * Math.atan2(v, u) + twist * radius) + Math.cos(rings * radius);
      rows[y * (size + 1) + 1 + x] = Math.min(colours - 1, Math.floor(((wave + 2) / 4) * colours));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // Eight bits a pixel, indexed colour.
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flat())),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** The same for those who would rather read: the text on rings in its colours, as an SVG. */
export function drawSvg(text: string): Uint8Array {
  const [dark, middle, light] = [paletteOf(text)[1], paletteOf(text)[4], paletteOf(text)[7]].map(hex);
  const { folds } = shapeOf(text);
  const petals = Array.from(
    { length: folds },
    (_, n) =>
      `<ellipse cx="80" cy="44" rx="14" ry="36" fill="${middle}" transform="rotate(${(n * 360) / folds} 80 80)"/>`,
  );
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160" role="img" aria-label="${escapeXml(text)}">` +
      `<rect width="160" height="160" fill="${dark}"/><g opacity=".6">${petals.join("")}</g>` +
      `<text x="80" y="84" font-family="serif" font-size="11" text-anchor="middle" fill="${light}">${escapeXml(text)}</text></svg>`,
  );
}

const colours = 8;

type Rgb = readonly [number, number, number];

/** Dark to light in one hue, with a little of another. */
function paletteOf(text: string): Rgb[] {
  const hue = crc32(text) % 360;
  return Array.from({ length: colours }, (_, n) => rgbOf((hue + n * 9) % 360, 0.45, 0.16 + n * 0.1));
}

function shapeOf(text: string): { folds: number; rings: number; twist: number } {
  const seed = crc32(`${text}/shape`);
  return { folds: 5 + (seed % 8), rings: 6 + ((seed >>> 8) % 14), twist: ((seed >>> 16) % 9) - 4 };
}

function rgbOf(hue: number, saturation: number, lightness: number): Rgb {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number): number => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

function hex(colour: Rgb = [0, 0, 0]): string {
  return `#${Buffer.from(colour).toString("hex")}`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
