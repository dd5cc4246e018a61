// Random chunked bodies, sound ones and damaged ones. One character is one byte.

import type { Random } from "./random.ts";

const EXTENSIONS = ["", "", "", "", ";a=b", ";", ';q="x;y"', ";\xff\t ", `;${"e".repeat(100)}`];
const TRAILERS = ["A: b\r\n", "x-trailer:\r\n", "Expires: \t1\xff\r\n", `${"n".repeat(64)}:v\r\n`];
const HOSTILE_TRAILERS = [
  "Content-Length: 1\r\n",
  "TRANSFER-ENCODING:chunked\r\n",
  "host:a\r\n",
  "X-Forwarded-For: 192.0.2.1\r\n",
  "x_forwarded_host:a\r\n",
  "Connection: close\r\n",
  "TE:\r\n",
  "Forwarded: for=x\r\n",
  "Date: today\r\n",
  "Range: bytes=0-1\r\n",
  ":a\r\n",
  "a :b\r\n",
  " a:b\r\n",
  `${"n".repeat(65)}:v\r\n`,
  "a:b\n",
  "a\r\n",
];
const HOSTILE = [
  "\r\n",
  "\n",
  "\r",
  ";",
  " ",
  "\t",
  "0x",
  "-",
  "+",
  "g",
  "\0",
  "0\r\n\r\n",
  "ffffffffffff",
  ";\n",
  "5 \r\n",
  "5;\r5\r\n",
];

/** A chunk of random content, its size spelt in one of the allowed ways. */
function chunk(content: string, random: Random): string {
  const digits = content.length.toString(16);
  const padded = random.below(6) === 0 ? digits.padStart(random.between(2, 12), "0") : digits;
  const cased = random.below(2) === 0 ? padded.toUpperCase() : padded;
  return `${cased}${random.pick(EXTENSIONS)}\r\n${content}\r\n`;
}

/** A sound body. Its content holds what looks like framing. */
export function chunkedBody(random: Random): string {
  const chunks: string[] = [];
  for (let count = random.below(6); count > 0; count--) {
    const size = random.pick([1, 2, 15, 16, 17, random.between(1, 300)]);
    const filler = random.pick(["0\r\n\r\n", "a", "\r\n", ";", "\0"]);
    chunks.push(chunk(filler.repeat(size).slice(0, size), random));
  }
  const last = `${"0".repeat(random.between(1, 12))}${random.pick(EXTENSIONS)}\r\n`;
  const trailers = Array.from({ length: random.pick([0, 0, 1, 3]) }, () => random.pick(TRAILERS));
  return `${chunks.join("")}${last}${trailers.join("")}\r\n`;
}

/** The body with one to three changes. */
export function mutatedChunks(body: string, random: Random): string {
  let text = body;
  for (let count = random.pick([1, 1, 2, 3]); count > 0; count--) {
    const at = random.below(text.length + 1);
    const [before, after] = [text.slice(0, at), text.slice(at)];
    const kind = random.below(6);
    if (kind === 0) text = before + String.fromCharCode(random.below(256)) + after.slice(1);
    else if (kind === 1) text = before + random.pick(HOSTILE) + after;
    else if (kind === 2) text = before + after.slice(random.between(1, 3));
    else if (kind === 3) text = text.replace(/\r\n$/, `${random.pick(HOSTILE_TRAILERS)}\r\n`);
    else if (kind === 4)
      text = text.replace(/\r\n/, `;${"x".repeat(random.between(900, 1100))}\r\n`);
    else text = before;
  }
  return text;
}
