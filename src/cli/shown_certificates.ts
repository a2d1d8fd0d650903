/**
 * The certificates that a station shows to others, as far as this user and this process may read them. The keys are
 * not looked at.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import type { ReadConfig } from "../config/load.ts";
import { decode } from "../bytes.ts";
import type { Files } from "../runtime/runtime.ts";
import { mayRead } from "./permissions.ts";

/** Octets of a chain that are read. */
const LIMIT = 1 << 20;

/** Those for the host's name, DER, each with its chain; what cannot be read is left out. */
export async function shownCertificates(
  files: Files,
  { written: { hostname, tls }, file }: Pick<ReadConfig, "written" | "file">,
): Promise<Uint8Array[][]> {
  const folder = file.slice(0, file.lastIndexOf("/") + 1);
  const chains: Uint8Array[][] = [];
  for (const { certificate } of tls.certificates) {
    const path = certificate.startsWith("/") ? certificate : folder + certificate;
    if (!mayRead(path)) continue;
    const chain = await files.readFile(path, LIMIT).then(readChain).catch(() => null);
    if (chain?.[0]?.checkHost(hostname) === undefined) continue;
    chains.push(chain.map(({ raw }) => Uint8Array.from(raw)));
  }
  return chains;
}

function readChain(octets: Uint8Array): X509Certificate[] {
  const blocks = decode(octets).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}
