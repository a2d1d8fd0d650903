/**
 * Programs that seal and verify by ARC: dkimpy, Mail::DKIM, mailauth and rspamd, asked alike. None of them asks DNS, but
 * for rspamd, which asks a Knot of its own.
 *
 * @module
 */

import { startRspamdScanner } from "./rspamd.ts";
import { startKnot } from "./knot.ts";
import { assertEnded, decodeBase64, encodeBase64, run } from "./support.ts";

/** Key records by their names, such as `s1._domainkey.one.example`. */
export type KeyRecords = Readonly<Record<string, string>>;

/** Who seals. */
export interface Sealer {
  readonly domain: string;
  readonly selector: string;
  /** PEM, PKCS #1. */
  readonly key: string;
  /** The authserv-id whose Authentication-Results are recorded; what `arc` came to is among them. */
  readonly id: string;
}

/** One that is asked. */
export interface ArcPeer {
  readonly name: string;
  /** The programs it needs. */
  readonly tools: readonly string[];
  /** What the chain of each mail came to: `pass`, `fail` or `none`. */
  verify(mails: readonly Uint8Array[], records: KeyRecords): Promise<string[]>;
  /** The fields that seal each mail, with their CRLF; where it can. */
  readonly seal?: (mails: readonly Uint8Array[], seal: Sealer) => Promise<Uint8Array[]>;
}

const DENO = ["run", "--no-prompt", "--no-lock", "--no-config", "-A"];

/** All of them. */
export const arcPeers: readonly ArcPeer[] = [
  peer("dkimpy", "python3", [program("arc.py")]),
  peer("Mail::DKIM", "/usr/bin/perl", [program("arc.pl")]),
  peer("mailauth", "deno", [...DENO, program("arc.mjs")]),
  { name: "rspamd", tools: ["rspamd", "knotd"], verify: verifyByRspamd },
];

function program(name: string): string {
  return new URL(`./peers/${name}`, import.meta.url).pathname;
}

function peer(name: string, tool: string, args: readonly string[]): ArcPeer {
  const ask = async (mails: readonly Uint8Array[], more: object): Promise<string[]> => {
    const input = JSON.stringify({ mails: mails.map(encodeBase64), ...more });
    const ran = await run(tool, args, { input, limit: 120_000 });
    assertEnded(ran);
    return JSON.parse(new TextDecoder().decode(ran.stdout));
  };
  return {
    name,
    tools: [tool],
    verify: (mails, records) => ask(mails, { records }),
    seal: async (mails, seal) => (await ask(mails, { seal })).map(decodeBase64),
  };
}

const SYMBOLS: Readonly<Record<string, string>> = {
  ARC_ALLOW: "pass",
  ARC_REJECT: "fail",
  ARC_INVALID: "fail",
  ARC_DNSFAIL: "temperror",
  ARC_NA: "none",
};

async function verifyByRspamd(
  mails: readonly Uint8Array[],
  records: KeyRecords,
): Promise<string[]> {
  const lines = Object.entries(records).map(([name, text]) =>
    `${name}. IN TXT ${(text.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(" ")}\n`
  );
  await using knot = await startKnot({ "example": lines.join("") });
  await using scanner = await startRspamdScanner(
    `modules { path = "/usr/share/rspamd/plugins/arc.lua"; }
dkim { }
arc { sign_local = false; sign_authenticated = false; }`,
    knot.server.port,
  );
  const results: string[] = [];
  for (const mail of mails) {
    const { symbols } = await scanner.check<{ symbols: Record<string, unknown> }>(mail);
    const found = Object.keys(symbols).find((symbol) => symbol in SYMBOLS);
    results.push(SYMBOLS[found ?? ""] ?? JSON.stringify(symbols));
  }
  return results;
}
