/**
 * How fast bodies are hashed in each canonical form, beside node:crypto's SHA-256 over the same chunks as they are.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BodyHashes } from "../../src/mailauth/dkim/body_hashes.ts";
import { type Figure, figureOf } from "../support/figure.ts";
import { formatNumber, formatShare } from "../support/table.ts";
import { KINDS, makeBody } from "./bodies.ts";

/** The share of the bare hash's speed that we want to reach with ordinary mail. */
export const HASHING_GOAL = 0.7;

type Hasher = (chunks: readonly Uint8Array[]) => void;

const HASHERS: Readonly<Record<string, Hasher>> = {
  bare(chunks) {
    const hash = createHash("sha256");
    for (const chunk of chunks) hash.update(chunk);
    hash.digest();
  },
  relaxed: (chunks) => hash(chunks, ["relaxed"]),
  simple: (chunks) => hash(chunks, ["simple"]),
  both: (chunks) => hash(chunks, ["relaxed", "simple"]),
};

function hash(chunks: readonly Uint8Array[], wanted: readonly ("simple" | "relaxed")[]): void {
  const hashes = new BodyHashes();
  const hash = wanted.map((canonicalization) => hashes.want(canonicalization, null));
  for (const chunk of chunks) hashes.write(chunk);
  hashes.end();
  if (hash[0]!.octets === 0) throw new Error("nothing was hashed");
}

/** What is hashed: bodies of a kind and a size, in chunks. */
interface Work {
  readonly kind: string;
  readonly size: number;
  readonly chunk: number;
}

function works(quick: boolean): Work[] {
  const kinds = Object.keys(KINDS);
  const megabytes = quick ? 1_000_000 : 10_000_000;
  return [
    ...kinds.map((kind) => ({ kind, size: megabytes, chunk: 65_536 })),
    { kind: "prose", size: megabytes, chunk: 4096 },
    { kind: "prose", size: 100_000, chunk: 16_384 },
    { kind: "prose", size: 10_000, chunk: 65_536 },
    { kind: "prose", size: 10_000, chunk: 4096 },
  ];
}

/** All figures, in MB/s, and a row of a table for each work: the shares of the bare hash's speed. */
export function measureHashing(
  quick: boolean,
  runs: number,
): { figures: Figure[]; rows: string[][] } {
  const figures: Figure[] = [];
  const rows: string[][] = [];
  for (const { kind, size, chunk } of works(quick)) {
    const body = makeBody(KINDS[kind]!, size);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < body.length; at += chunk) chunks.push(body.slice(at, at + chunk));
    const times = Math.max(1, Math.round((quick ? 2e6 : 2e7) / body.length));
    const rates = new Map(Object.keys(HASHERS).map((name) => [name, [] as number[]]));
    for (let run = -2; run < runs; run++) { // the first two warm the compiler up
      for (const [name, hasher] of Object.entries(HASHERS)) {
        const start = performance.now();
        for (let i = 0; i < times; i++) hasher(chunks);
        const rate = body.length * times / 1000 / (performance.now() - start);
        if (run >= 0) rates.get(name)!.push(rate);
      }
    }
    const name = `${kind}, ${formatSize(size)} in ${formatSize(chunk)}`;
    const own = [...rates].map(([hasher, values]) =>
      figureOf("dkim", `hash, ${name}, ${hasher}`, "MB/s", values)
    );
    figures.push(...own);
    // Round by round, so that what else the machine does hits both alike.
    const share = (hasher: string) =>
      median(rates.get(hasher)!.map((rate, run) => rate / rates.get("bare")![run]!));
    rows.push([
      name,
      formatNumber(own[0]!.median),
      ...["relaxed", "simple", "both"].map((hasher) => formatShare(share(hasher))),
    ]);
  }
  return { figures, rows };
}

function formatSize(octets: number): string {
  if (octets % 1024 === 0) return `${octets / 1024} KiB`;
  return octets >= 1_000_000 ? `${octets / 1_000_000} MB` : `${octets / 1000} KB`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
