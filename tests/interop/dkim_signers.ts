/**
 * Signers of DKIM by other hands: dkimpy, Mail::DKIM, OpenDKIM, rspamd, nodemailer and mailauth, asked alike.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { startDaemon } from "./daemon.ts";
import { fieldsOfMilter } from "./milter_client.ts";
import { startRspamdScanner } from "./rspamd.ts";
import { assertEnded, decodeBase64, encodeBase64, makeTemporaryFolder } from "./support.ts";
import { octets, run, runPython } from "./support.ts";

/** What one mail is signed with. */
export interface SignRequest {
  /** With CRLF. */
  readonly mail: Uint8Array;
  readonly domain: string;
  readonly selector: string;
  /** PEM; for Ed25519 the 32 octets in base64. */
  readonly key: string;
  readonly ed25519: boolean;
  readonly head: "simple" | "relaxed";
  readonly body: "simple" | "relaxed";
  /** What is named in `h=`; `null` leaves it to the signer. */
  readonly names: readonly string[] | null;
  /** `i=`. */
  readonly identity: string | null;
  /** Whether `l=` says how long the body is. */
  readonly length: boolean;
}

/** One that is asked. */
export interface DkimSignerProgram {
  readonly name: string;
  /** The programs it needs. */
  readonly tools: readonly string[];
  /** Whether it can sign so. */
  can(request: SignRequest): boolean;
  /** The DKIM-Signature field of each mail, with its CRLF. */
  sign(requests: readonly SignRequest[]): Promise<Uint8Array[]>;
}

/** All of them. */
export const dkimSigners: readonly DkimSignerProgram[] = [
  {
    name: "dkimpy",
    tools: ["python3"],
    can: () => true,
    sign: async (requests) =>
      (await runPython<string[]>("dkim_sign_all.py", requests.map(toJson))).map(decodeBase64),
  },
  {
    name: "Mail::DKIM",
    tools: ["/usr/bin/perl"],
    can: ({ ed25519, names, length }) => !ed25519 && names === null && !length,
    sign: (requests) => signBy("/usr/bin/perl", [peer("dkim_sign_all.pl")], requests),
  },
  {
    name: "OpenDKIM",
    tools: ["opendkim"],
    // With Ed25519 it folds its field in another way than it has signed, which `simple` shows to all, itself among them.
    can: ({ ed25519, head, names, length, identity }) =>
      !(ed25519 && head === "simple") && names === null && !length && identity === null,
    sign: signByOpenDkim,
  },
  {
    name: "rspamd",
    tools: ["rspamd"],
    // Its module has no setting for anything but this; and of fields that are there twice it makes a signature that
    // nobody passes, itself among them.
    can: ({ mail, ed25519, head, body, names, length, identity }) =>
      !ed25519 && head === "relaxed" && body === "relaxed" && names === null && !length &&
      identity === null && !/^to:[^]*^to:/im.test(new TextDecoder().decode(mail)),
    sign: signByRspamd,
  },
  {
    name: "nodemailer",
    tools: ["deno"],
    can: ({ ed25519, head, body, length, identity }) =>
      !ed25519 && head === "relaxed" && body === "relaxed" && !length && identity === null,
    sign: (requests) => signByDeno("nodemailer", requests),
  },
  {
    name: "mailauth",
    tools: ["deno"],
    can: ({ ed25519, length, identity }) => !ed25519 && !length && identity === null,
    sign: (requests) => signByDeno("mailauth", requests),
  },
];

function toJson(request: SignRequest): unknown {
  return { ...request, mail: encodeBase64(request.mail) };
}

function peer(name: string): string {
  return new URL(`./peers/${name}`, import.meta.url).pathname;
}

async function signBy(
  tool: string,
  args: readonly string[],
  requests: readonly SignRequest[],
): Promise<Uint8Array[]> {
  const input = JSON.stringify(requests.map(toJson));
  const ran = await run(tool, args, { input, limit: 120_000 });
  assertEnded(ran);
  return (JSON.parse(new TextDecoder().decode(ran.stdout)) as string[]).map(decodeBase64);
}

function signByDeno(name: string, requests: readonly SignRequest[]): Promise<Uint8Array[]> {
  const args = ["run", "--no-prompt", "--no-lock", "--no-config", "-A", peer("dkim_sign_all.mjs")];
  return signBy("deno", [...args, name], requests);
}

/** OpenDKIM signs as a milter, all mails in one way: one is started for each. */
async function signByOpenDkim(requests: readonly SignRequest[]): Promise<Uint8Array[]> {
  const fields: Uint8Array[] = [];
  for (const group of Map.groupBy(requests, wayOf).values()) {
    await using folder = await makeTemporaryFolder();
    const port = findFreePort();
    const { domain, selector, key, ed25519, head, body } = group[0]!;
    const lines = [
      `Socket inet:${port}@127.0.0.1`,
      ...["Syslog no", "Background no", "RequireSafeKeys no", "MaximumHeaders 0", "Mode s"],
      ...[`Domain ${domain}`, `Selector ${selector}`, "InternalHosts 127.0.0.1"],
      `Canonicalization ${head}/${body}`,
      `SignatureAlgorithm ${ed25519 ? "ed25519" : "rsa"}-sha256`,
      `KeyFile ${await folder.write("key.pem", ed25519 ? ed25519Pem(key) : key)}`,
    ];
    const file = await folder.write("opendkim.conf", `${lines.join("\n")}\n`);
    const args = ["-f", "-x", file];
    const daemon = await startDaemon("opendkim", { args, port, signal: "SIGKILL" });
    try {
      for (const request of group) {
        const [field = ""] = await fieldsOfMilter(port, request.mail);
        fields[requests.indexOf(request)] = octets(field);
      }
    } finally {
      await daemon.stop();
    }
  }
  return fields;
}

/** rspamd signs what it is told is from somebody who has logged in, and gives the field in its answer. */
async function signByRspamd(requests: readonly SignRequest[]): Promise<Uint8Array[]> {
  const fields: Uint8Array[] = [];
  for (const group of Map.groupBy(requests, wayOf).values()) {
    const { domain, selector, key } = group[0]!;
    await using folder = await makeTemporaryFolder();
    const pem = await folder.write("key.pem", key);
    await using scanner = await startRspamdScanner(
      `modules { path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }
dkim_signing {
  sign_authenticated = true; allow_username_mismatch = true; allow_hdrfrom_mismatch = true;
  allow_hdrfrom_mismatch_sign_networks = true; use_esld = false; use_domain = "header";
  domain { ${domain} { path = "${pem}"; selector = "${selector}"; } }
}`,
    );
    const headers = { User: `joe@${domain}`, From: `joe@${domain}` };
    for (const request of group) {
      const answer = await scanner.check<{ "dkim-signature"?: string }>(request.mail, headers);
      const value = answer["dkim-signature"];
      if (value === undefined) throw new Error(`${JSON.stringify(answer)}\n${scanner.output()}`);
      const field = `DKIM-Signature: ${value.replace(/\r?\n/g, "\r\n")}\r\n`;
      fields[requests.indexOf(request)] = octets(field);
    }
  }
  return fields;
}

function wayOf({ domain, selector, head, body }: SignRequest): string {
  return `${selector}._domainkey.${domain} ${head}/${body}`;
}

/** The 32 octets of a key in PKCS #8 (RFC 8410 §7). */
function ed25519Pem(key: string): string {
  const der = atob("MC4CAQAwBQYDK2VwBCIEIA==") + atob(key);
  return `-----BEGIN PRIVATE KEY-----\n${btoa(der)}\n-----END PRIVATE KEY-----\n`;
}
