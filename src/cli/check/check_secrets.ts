/**
 * Files with secrets that others may read or change: the configuration where passwords stand in it, the users file
 * with its verifiers, keys of DKIM. (Keys of certificates and files of secrets are the configuration's to check.)
 *
 * @module
 */

import { hasInlineSecret } from "../../config/secrets.ts";
import type { Files } from "../../runtime/files.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";
import type { MachineFacts } from "./machine_facts.ts";

const { ok, warning, error } = findingsOf("secrets");

/** Keys of DKIM looked at. */
const KEYS = 100;

/** Which files are too open. */
export async function checkSecrets({ loaded, paths, runtime, facts }: CheckContext) {
  const findings: CheckFinding[] = [];
  if (loaded !== null && await facts.path(loaded.file).catch(() => null) !== null) {
    const holds = hasInlineSecret(loaded.written);
    findings.push(...await checkFile(loaded.file, holds ? "passwords stand in it" : null, facts));
  }
  if (paths !== null) {
    const what = "passwords can be guessed from the verifiers in it";
    findings.push(...await checkFile(paths.users, what, facts));
    for (const path of await findKeys(runtime.files, paths.dkim)) {
      findings.push(...await checkFile(path, "who has the key signs in your name", facts));
    }
  }
  return findings.length > 0
    ? findings
    : [ok("configuration, users and keys of DKIM give no secret to others")];
}

/** @param secret what is secret in it; `null` where only a change of it would do harm. */
async function checkFile(
  path: string,
  secret: string | null,
  facts: MachineFacts,
): Promise<CheckFinding[]> {
  const found = await facts.path(path);
  if (found === null) return [];
  const { mode } = found;
  const tell = (what: string) => `${path} (mode ${mode.toString(8).padStart(3, "0")}): ${what}`;
  if ((mode & 0o002) !== 0) return [error(tell("everybody may change it"), `chmod o-w ${path}`)];
  if (secret === null || (mode & 0o077) === 0) return [];
  const who = (mode & 0o007) !== 0 ? "everybody" : "its group";
  // A group is often meant, such as that of the server.
  if ((mode & 0o007) === 0 && (mode & 0o020) === 0) return [];
  return [warning(tell(`${who} may read it, and ${secret}`), `chmod 600 ${path}`)];
}

/** `DOMAIN/SELECTOR.pem`. */
async function findKeys(files: Files, folder: string): Promise<string[]> {
  const keys: string[] = [];
  try {
    for await (const domain of files.list(folder)) {
      if (domain.kind !== "directory") continue;
      for await (const { name } of files.list(`${folder}/${domain.name}`)) {
        if (name.endsWith(".pem")) keys.push(`${folder}/${domain.name}/${name}`);
      }
      if (keys.length > KEYS) break;
    }
  } catch (failure) {
    if (errorCode(failure) !== "ENOENT") throw failure;
  }
  return keys.slice(0, KEYS);
}
