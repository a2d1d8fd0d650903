/**
 * How fast DATA is decoded, beside the decoder of npm's smtp-server in the same run.
 *
 * Ours checks for bare CR and LF, which the peer does not. It is shown with the scanner in WebAssembly SIMD that it takes
 * where it can, in both modes, and with the one in TypeScript that it falls back to. All get the same message in chunks of
 * 64 KiB, a fresh copy for each run made outside the timed part (ours moves octets in place), and take
 * turns run by run, so that what else the machine does hits all alike. Each must give the content
 * that went in, or the program fails.
 *
 *     deno run --no-prompt bench/data_decoder.ts [--quick] [--json]
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- the peer is of no use to anything but this file
import { SMTPStream } from "npm:smtp-server@3.21.6/lib/smtp-stream.js";
import { encode } from "../src/bytes.ts";
import { DataDecoder, type DataDecoderOptions } from "../src/smtp/data_decoder.ts";
import { scanData } from "../src/smtp/data_scan.ts";
import { commandLine } from "./support/command_line.ts";

const CHUNK = 64 * 1024;

/** Times the peer's speed that we want to reach; on messages full of dots, where it is slow, the second. */
const GOAL = 4;
const DOTS_GOAL = 100;

/** A message as it goes over the wire, and the octets of content in it. */
interface Corpus {
  readonly name: string;
  /** Times the peer's speed. */
  readonly goal: number;
  readonly wire: Uint8Array;
  readonly content: number;
}

/** Decodes the chunks of one message; gives the octets of content. */
type Decoder = (chunks: readonly Uint8Array[]) => number | Promise<number>;

/** What the runs of one decoder on one corpus gave, in MB/s (10^6 octets). */
interface Rates {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

const ours = (options: DataDecoderOptions): Decoder => (chunks) => {
  const decoder = new DataDecoder(options);
  let content = 0;
  for (const bytes of chunks) {
    const cursor = { bytes, at: 0, end: bytes.length };
    for (let result; (result = decoder.next(cursor)) !== null;) {
      if (result.type === "end") return content;
      content += result.bytes.length;
    }
  }
  throw new Error("no end");
};

const peer: Decoder = (chunks) =>
  new Promise((resolve) => {
    const stream = new SMTPStream();
    const data = stream.startDataMode();
    let content = 0;
    data.on("data", (bytes: Uint8Array) => content += bytes.length);
    data.on("end", () => resolve(content));
    let index = 0;
    const write = () => {
      while (index < chunks.length) {
        if (!stream.write(chunks[index++])) return void stream.once("drain", write);
      }
    };
    write();
  });

const decoders: readonly [name: string, decoder: Decoder][] = [
  ["strict", ours({ newlines: "strict" })],
  ["normalize", ours({ newlines: "normalize" })],
  ["without SIMD", ours({ newlines: "strict", scanner: scanData })],
  ["smtp-server", peer],
];

/** Numbers that look random and are the same in every run (a linear congruential generator). */
function generator(): () => number {
  let state = 1;
  return () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x80000000;
}

function corpus(name: string, size: number, line: (random: () => number) => string): Corpus {
  const random = generator();
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const text = Array.from({ length: 4096 }, () => alphabet[Math.floor(random() * 64)]).join("");
  const parts = ["From: a@a.example\r\nSubject: bench\r\n\r\n"];
  let stuffed = 0;
  for (let length = 0; length < size;) {
    const template = line(random);
    const from = Math.floor(random() * 2048);
    const filled = template.replace(/x+/, (run) => text.repeat(17).slice(from, from + run.length));
    parts.push(filled);
    length += filled.length;
    if (filled.startsWith("..")) stuffed++;
  }
  parts.push(name === "endless line" ? "\r\n.\r\n" : ".\r\n");
  const wire = encode(parts.join(""));
  const goal = stuffed > 0 ? DOTS_GOAL : GOAL;
  return { name, goal, wire, content: wire.length - stuffed - 3 };
}

function corpora(size: number): Corpus[] {
  const between = (random: () => number, most: number) => "x".repeat(random() * (most + 1));
  return [
    corpus("76 columns", size, () => `${"x".repeat(76)}\r\n`),
    corpus("40 columns", size, () => `${"x".repeat(40)}\r\n`),
    corpus("0-78 columns", size, (random) => `${between(random, 78)}\r\n`),
    corpus(
      "half dots",
      size,
      (random) => random() < 0.5 ? `..${between(random, 56)}\r\n` : `${between(random, 58)}\r\n`,
    ),
    corpus("endless line", size, () => "x".repeat(CHUNK)),
  ];
}

/** A fresh copy of the message in chunks, each in memory of its own, as reads would bring it. */
function chunksOf(wire: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < wire.length; at += CHUNK) chunks.push(wire.slice(at, at + CHUNK));
  return chunks;
}

/** MB/s of one run. */
async function measure(decoder: Decoder, { name, wire, content }: Corpus): Promise<number> {
  const chunks = chunksOf(wire);
  const start = performance.now();
  const decoded = await decoder(chunks);
  const elapsed = performance.now() - start;
  if (decoded !== content) throw new Error(`${name}: ${decoded} octets of content, not ${content}`);
  return wire.length / 1000 / elapsed;
}

function summarise(rates: readonly number[]): Rates {
  const sorted = rates.toSorted((a, b) => a - b);
  const [lowest, median, highest] = [0, sorted.length >> 1, sorted.length - 1].map((i) =>
    Math.round(sorted[i]!)
  );
  return { lowest: lowest!, median: median!, highest: highest! };
}

/** All decoders on one corpus, in turns. */
async function compare(subject: Corpus, runs: number): Promise<Record<string, Rates>> {
  const rates = decoders.map((): number[] => []);
  for (let run = -2; run < runs; run++) { // the first two warm the compiler up
    for (const [index, [, decoder]] of decoders.entries()) {
      const rate = await measure(decoder, subject);
      if (run >= 0) rates[index]!.push(rate);
    }
  }
  return Object.fromEntries(decoders.map(([name], index) => [name, summarise(rates[index]!)]));
}

const { flags: { quick, json } } = commandLine({
  program: "bench/data_decoder.ts",
  about: "How fast DATA is decoded, beside the decoder of npm's smtp-server.",
  flags: { quick: "Less of everything", json: "Print a line of JSON for each kind of message" },
});
const [size, runs] = quick ? [1 << 20, 5] : [16 << 20, 9];

if (!json) {
  console.log(
    `DATA decoding, MB/s: median (lowest-highest) of ${runs} runs of ${
      size >> 20
    } MiB, chunks of 64 KiB`,
  );
  console.log(`Deno ${Deno.version.deno}; ratio: strict to smtp-server 3.21.6\n`);
  console.log(
    ["", ...decoders.map(([name]) => name), "ratio", "goal"].map((cell) => cell.padEnd(22)).join(
      "",
    ),
  );
}
for (const subject of corpora(size)) {
  const rates = await compare(subject, runs);
  const ratio = Number((rates["strict"]!.median / rates["smtp-server"]!.median).toFixed(1));
  if (json) {
    console.log(
      JSON.stringify({
        bench: "data_decoder",
        corpus: subject.name,
        unit: "MB/s",
        rates,
        ratio,
        goal: subject.goal,
      }),
    );
  } else {
    const cells = Object.values(rates).map((r) => `${r.median} (${r.lowest}-${r.highest})`);
    console.log(
      [subject.name, ...cells, `${ratio}`, `${subject.goal}`].map((cell) => cell.padEnd(22)).join(
        "",
      ),
    );
  }
}
