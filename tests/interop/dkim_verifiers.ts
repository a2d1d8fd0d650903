/**
 * Verifiers of DKIM signatures by other hands: dkimpy, Mail::DKIM, OpenDKIM and rspamd, asked alike. None of them asks
 * DNS, but for rspamd, which asks a Knot of its own.
 *
 * @module
 */

import { startRspamdScanner } from "./rspamd.ts";
import { startKnot } from "./knot.ts";
import { assertEnded, encodeBase64, makeTemporaryFolder, run, runPython } from "./support.ts";

/** Key records by their names, such as `s1._domainkey.example.org`. */
export type KeyRecords = Readonly<Record<string, string>>;

/** What is said of a mail's signatures, from the top: `pass`, `fail` or what else the verifier says. */
export type Verdicts = readonly string[];

/**
 * Mail that some misread: a relaxed body of white space alone is an empty one (§3.4.4), and `l=0` the hash of nothing
 * (§3.5).
 */
export type OddMail = "relaxed to nothing" | "l=0";

/** One that is asked. */
export interface DkimVerifierProgram {
  readonly name: string;
  /** The programs it needs. */
  readonly tools: readonly string[];
  /** Whether it knows Ed25519 as Debian has it. */
  readonly knowsEd25519: boolean;
  /** What it takes for broken though RFC 6376 has it so, and the others here agree, in words of {@link OddMail}. */
  readonly misreads: readonly OddMail[];
  verify(mails: readonly Uint8Array[], records: KeyRecords): Promise<Verdicts[]>;
}

/** All of them. */
export const dkimVerifiers: readonly DkimVerifierProgram[] = [
  {
    name: "dkimpy",
    tools: ["python3"],
    knowsEd25519: true,
    misreads: [],
    verify: (mails, records) =>
      runPython("dkim_verify_all.py", { mails: mails.map(encodeBase64), records }),
  },
  {
    name: "Mail::DKIM",
    tools: ["perl"],
    knowsEd25519: false,
    misreads: ["l=0"],
    verify: verifyByPerl,
  },
  {
    name: "OpenDKIM",
    tools: ["opendkim"],
    knowsEd25519: true,
    misreads: [],
    verify: verifyByOpenDkim,
  },
  {
    name: "rspamd",
    tools: ["rspamd", "knotd"],
    knowsEd25519: true,
    misreads: ["relaxed to nothing", "l=0"],
    verify: verifyByRspamd,
  },
];

async function verifyByPerl(
  mails: readonly Uint8Array[],
  records: KeyRecords,
): Promise<Verdicts[]> {
  const program = new URL("./peers/dkim_verify_all.pl", import.meta.url).pathname;
  const input = JSON.stringify({ mails: mails.map(encodeBase64), records });
  const ran = await run("/usr/bin/perl", [program], { input });
  assertEnded(ran);
  return JSON.parse(new TextDecoder().decode(ran.stdout));
}

/** OpenDKIM reads mails from files, and writes the Authentication-Results it would add. */
async function verifyByOpenDkim(
  mails: readonly Uint8Array[],
  records: KeyRecords,
): Promise<Verdicts[]> {
  await using folder = await makeTemporaryFolder();
  const lines = Object.entries(records).map(([name, text]) => `${name} ${text}\n`);
  const keys = await folder.write("keys", lines.join(""));
  const settings = ["Syslog no", "RequireSafeKeys no", `TestPublicKeys ${keys}`];
  const configuration = await folder.write("opendkim.conf", `${settings.join("\n")}\n`);
  const files = await Promise.all(mails.map((mail, index) => folder.write(`${index}.eml`, mail)));
  const verdicts: Verdicts[] = [];
  for (const file of files) {
    const { text } = await run("opendkim", ["-x", configuration, "-v", "-v", "-t", file]);
    const results = /hname='Authentication-Results' hvalue='([^']*)'/.exec(text)?.[1] ?? "";
    verdicts.push([...results.matchAll(/\bdkim=(\w+)/g)].map(([, verdict]) => verdict!));
  }
  return verdicts;
}

/** rspamd says who of the signers passed and who failed, in no order: that is brought into the order of `s=`. */
async function verifyByRspamd(
  mails: readonly Uint8Array[],
  records: KeyRecords,
): Promise<Verdicts[]> {
  const names = Object.entries(records).map(([name, text]) =>
    `${name}. IN TXT ${(text.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(" ")}\n`
  );
  await using knot = await startKnot({ "example.com": names.join("") });
  await using scanner = await startRspamdScanner("dkim { max_sigs = 10; }", knot.server.port);
  const verdicts: Verdicts[] = [];
  for (const mail of mails) {
    const { symbols } = await scanner.check<{ symbols: Symbols }>(mail);
    const selectors = (symbol: string) =>
      (symbols[symbol]?.options ?? []).map((option) => option.replace(/^.*:s=/, ""));
    const passed = selectors("R_DKIM_ALLOW");
    verdicts.push(selectorsOf(mail).map((selector) => passed.includes(selector) ? "pass" : "fail"));
  }
  return verdicts;
}

/** What rspamd found, and in which domains and selectors. */
type Symbols = Record<string, { readonly options?: readonly string[] }>;

/** The selectors of a mail's signatures, from the top. */
function selectorsOf(mail: Uint8Array): string[] {
  const head = new TextDecoder("latin1").decode(mail).split("\r\n\r\n")[0]!;
  return [...head.matchAll(/^DKIM-Signature:[^]*?[ \t]s=([^;]+);/gm)].map(([, name]) => name!);
}
