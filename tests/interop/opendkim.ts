/**
 * OpenDKIM on a port of its own, as a milter that signs or verifies, with a key made here and without DNS.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { startDaemon } from "./daemon.ts";
import { assertEnded, encodeBase64, makeTemporaryFolder, run } from "./support.ts";

/** A key, and what DNS would say of it. */
export interface SigningKey {
  readonly selector: string;
  readonly domain: string;
  /** PEM. */
  readonly pem: string;
  /** The TXT record. */
  readonly record: string;
}

/** Makes a key of RSA. */
export async function makeSigningKey(domain: string): Promise<SigningKey> {
  const made = await run("openssl", [
    "genpkey",
    "-algorithm",
    "RSA",
    "-pkeyopt",
    "rsa_keygen_bits:1024",
  ]);
  assertEnded(made);
  const pem = new TextDecoder().decode(made.stdout);
  const der = await run("openssl", ["pkey", "-pubout", "-outform", "DER"], { input: pem });
  assertEnded(der);
  const record = `v=DKIM1; k=rsa; p=${encodeBase64(der.stdout)}`;
  return { selector: "test", domain, pem, record };
}

/** A running OpenDKIM. */
export interface OpenDkim extends AsyncDisposable {
  /** Its port on 127.0.0.1. */
  readonly port: number;
}

/**
 * Starts it.
 *
 * @param mode whether it signs what comes from `internal` and from who has logged in, or verifies all.
 */
export async function startOpenDkim(
  mode: "sign" | "verify",
  { selector, domain, pem, record }: SigningKey,
  canonicalization = "simple/simple",
  internal = "127.0.0.1",
): Promise<OpenDkim> {
  const folder = await makeTemporaryFolder();
  const port = findFreePort();
  const key = await folder.write("key.pem", pem);
  const keys = await folder.write("keys", `${selector}._domainkey.${domain} ${record}\n`);
  const lines = [
    `Socket inet:${port}@127.0.0.1`,
    ...["Syslog no", "Background no", "RequireSafeKeys no", "MilterDebug 0", "MaximumHeaders 0"],
    `Mode ${mode === "sign" ? "s" : "v"}`,
    `Canonicalization ${canonicalization}`,
    ...(mode === "sign"
      ? [`Domain ${domain}`, `Selector ${selector}`, `KeyFile ${key}`, `InternalHosts ${internal}`]
      : [`TestPublicKeys ${keys}`, "InternalHosts 192.0.2.1", "AlwaysAddARHeader yes"]),
  ];
  const file = await folder.write("opendkim.conf", `${lines.join("\n")}\n`);
  try {
    const daemon = await startDaemon("opendkim", {
      args: ["-f", "-x", file],
      port,
      signal: "SIGKILL", // it looks for the others every five seconds
    });
    return {
      port,
      async [Symbol.asyncDispose]() {
        await daemon.stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
