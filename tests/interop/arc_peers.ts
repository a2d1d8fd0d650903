/**
 * Programs that seal and verify by ARC: dkimpy, Mail::DKIM, mailauth and rspamd, asked alike. None of them asks DNS, but
 * for rspamd, which asks a Knot of its own.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { startDaemon } from "./daemon.ts";
import { startKnot } from "./knot.ts";
import { assertEnded, decodeBase64, encodeBase64, makeTemporaryFolder, run } from "./support.ts";

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
  await using folder = await makeTemporaryFolder();
  const port = findFreePort();
  const suffixes = await folder.write("suffixes", "test\nexample\ncom\n");
  const file = await folder.write(
    "rspamd.conf",
    `options {
  pidfile = "${folder.path}/rspamd.pid"; tempdir = "${folder.path}"; hs_cache_dir = "${folder.path}";
  control_socket = "${folder.path}/control.sock mode=0600";
  url_tld = "${suffixes}"; disable_hyperscan = true; filters = "dkim"; local_addrs = ["192.0.2.0/24"];
  dns { nameserver = ["127.0.0.1:${knot.server.port}"]; timeout = 5s; retransmits = 5; }
}
logging { type = "console"; level = "info"; color = false; }
lua = "/usr/share/rspamd/rules/rspamd.lua";
modules { path = "/usr/share/rspamd/plugins/arc.lua"; }
dkim { }
arc { sign_local = false; sign_authenticated = false; }
actions { reject = 15; add_header = 6; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
`,
  );
  const asRoot = Deno.uid() === 0 ? ["-i", "-u", "root", "-g", "root"] : [];
  await using _daemon = await startDaemon("rspamd", { args: ["-f", ...asRoot, "-c", file], port });
  const results: string[] = [];
  for (const mail of mails) {
    const answer = await fetch(`http://127.0.0.1:${port}/checkv2`, {
      method: "POST",
      headers: { IP: "198.51.100.1" },
      body: mail.slice(),
    });
    const { symbols } = await answer.json() as { symbols: Record<string, unknown> };
    const found = Object.keys(symbols).find((symbol) => symbol in SYMBOLS);
    results.push(SYMBOLS[found ?? ""] ?? JSON.stringify(symbols));
  }
  return results;
}
