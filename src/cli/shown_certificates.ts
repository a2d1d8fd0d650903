/**
 * The certificates that a station shows to others, as far as this user and this process may read them. The keys are
 * not looked at.
 *
 * @module
 */

import type { ReadConfig } from "../config/load.ts";
import { acmeFolder } from "../config/paths.ts";
import { acmeNames } from "../config/site.ts";
import { decode } from "../bytes.ts";
import type { Files } from "../runtime/files.ts";
import { certificatePath } from "./acme/certificate_store.ts";
import { coversName, readChain } from "./check/certificate_chain.ts";
import { mayRead } from "./permissions.ts";

/** Octets of a chain that are read. */
const LIMIT = 1 << 20;

/** Those for the host's name, DER, each with its chain; what cannot be read is left out. */
export async function shownCertificates(
  files: Files,
  { written, file, paths }: Pick<ReadConfig, "written" | "file" | "paths">,
): Promise<Uint8Array[][]> {
  const { hostname, tls } = written;
  const folder = file.slice(0, file.lastIndexOf("/") + 1);
  const named = tls.certificates.map(({ certificate }) =>
    certificate.startsWith("/") ? certificate : folder + certificate
  );
  const managed = acmeNames(written).map((name) => certificatePath(acmeFolder(paths), name));
  const chains: Uint8Array[][] = [];
  for (const path of [...named, ...managed]) {
    if (!mayRead(path)) continue;
    const chain = await files.readFile(path, LIMIT).then(decode).then(readChain).catch(() => null);
    if (chain?.[0] === undefined || !coversName(chain[0], hostname)) continue;
    chains.push(chain.map(({ raw }) => Uint8Array.from(raw)));
  }
  return chains;
}
