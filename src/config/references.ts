/**
 * The files that a configuration names: certificates with their keys, authorities, secrets. They are
 * read and checked here, so that what is wrong with them is told with the place where they are named.
 *
 * @module
 */

import { MIN_HOOK_SECRET } from "../policy/http_hook/signature.ts";
import { SRS_MIN_SECRET } from "../routing/srs.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import type { Secret } from "./fields.ts";
import { type ConfigMachine, describeReadError, type ReadFile } from "./machine.ts";
import type { Finding, Parts } from "./parts.ts";
import { resolvePath } from "./paths.ts";
import { checkAuthorities, type PemPair, readPemPair } from "./pem.ts";
import { type KeyPath, quote } from "./problems.ts";
import { HIDDEN } from "./secrets.ts";

/** What the files hold, and what is wrong with them. */
export interface References {
  readonly certificates: readonly TlsCertificate[];
  /** By resolved path. */
  readonly authorities: ReadonlyMap<string, string>;
  /** By resolved path. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly findings: readonly Finding[];
}

/** Octets of a PEM file at most; all of the world's authorities take some 200 KiB. */
const PEM_LIMIT = 4 * 1024 * 1024;
const SECRET_LIMIT = 4096;

/** Reads them all. Never throws. */
export async function readReferences(
  parts: Parts,
  folder: string,
  machine: ConfigMachine,
): Promise<References> {
  const reader = new Reader(folder, machine);
  const certificates: TlsCertificate[] = [];
  for (const [index, pair] of parts.certificates.entries()) {
    if (pair === null) continue;
    const read = await reader.pair(pair, ["tls", "certificates", index]);
    if (read !== null) certificates.push(read);
  }
  for (const [index, route] of parts.routes.entries()) {
    if (route === null) continue;
    const { via } = route;
    const path = ["relay", "routes", index, "via"];
    await reader.way(
      via.kind === "hold" ? via.then : via,
      via.kind === "hold" ? [...path, "then"] : path,
    );
  }
  for (const [index, filter] of parts.filters.entries()) {
    if (filter?.kind !== "http") continue;
    await reader.secret(filter.secret, ["filters", index, "secret"], MIN_HOOK_SECRET);
  }
  await reader.authorityFiles(parts.acme?.authorities ?? [], ["acme", "authorities"]);
  const bound = parts.acme?.externalAccount;
  if (bound) await reader.secret(bound.hmacKey, ["acme", "externalAccount", "hmacKey"]);
  const { srsSecret } = parts;
  if (srsSecret) await reader.secret(srsSecret, ["queue", "srsSecret"], SRS_MIN_SECRET);
  const { authorities, secrets, findings } = reader;
  return { certificates, authorities, secrets, findings };
}

type Way = NonNullable<Parts["routes"][number]>["via"];

class Reader {
  readonly authorities = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  readonly findings: Finding[] = [];
  readonly #folder: string;
  readonly #machine: ConfigMachine;

  constructor(folder: string, machine: ConfigMachine) {
    this.#folder = folder;
    this.#machine = machine;
  }

  async pair(
    names: { readonly certificate: string; readonly key: string },
    path: KeyPath,
  ): Promise<TlsCertificate | null> {
    const certificate = await this.#read(names.certificate, [...path, "certificate"], PEM_LIMIT);
    const key = await this.#read(names.key, [...path, "key"], PEM_LIMIT);
    if (key !== null && isOpen(key, 0o007)) {
      const advice = `chmod 600 ${resolvePath(this.#folder, names.key)}`;
      this.#find([...path, "key"], `${quote(names.key)} can be read by everybody`, advice, true);
    }
    if (certificate === null || key === null) return null;
    const pair = readPemPair(decode(certificate), decode(key));
    if (pair.status === "good") {
      this.#checkTime(pair, names.certificate, [...path, "certificate"]);
      return pair.pair;
    }
    const hint = pair.mismatch
      ? "of a pair these print the same: openssl x509 -noout -pubkey -in " +
        `${resolvePath(this.#folder, names.certificate)}; openssl pkey -pubout -in ` +
        resolvePath(this.#folder, names.key)
      : undefined;
    this.#find([...path, pair.part], `${quote(names[pair.part])} ${pair.reason}`, hint);
    return null;
  }

  #checkTime({ expires }: PemPair & { status: "good" }, name: string, path: KeyPath): void {
    if (expires >= this.#machine.now()) return;
    const day = new Date(expires).toISOString().slice(0, 10);
    this.#find(path, `${quote(name)} expired on ${day}`, "renew it", true);
  }

  async way(way: Way, path: KeyPath): Promise<void> {
    if (way.kind !== "mx" && way.kind !== "smarthost") return;
    await this.authorityFiles(way.authorities, [...path, "authorities"]);
    if (way.kind !== "smarthost" || way.credentials === undefined) return;
    await this.secret(way.credentials.password, [...path, "credentials", "password"]);
  }

  async authorityFiles(names: readonly string[], path: KeyPath): Promise<void> {
    for (const [index, name] of names.entries()) {
      const where = [...path, index];
      const file = await this.#read(name, where, PEM_LIMIT);
      if (file === null) continue;
      const text = decode(file);
      const fault = checkAuthorities(text);
      if (fault !== null) this.#find(where, `${quote(name)} ${fault}`);
      else this.authorities.set(resolvePath(this.#folder, name), text);
    }
  }

  /** @param least characters it must have. */
  async secret(secret: Secret, path: KeyPath, least = 1): Promise<void> {
    const wanted = `wanted ${least} characters or more`;
    if (secret === HIDDEN) {
      return this.#find(
        path,
        `found ${HIDDEN}, which is shown in place of a secret; wanted it itself`,
      );
    }
    if (typeof secret === "string") {
      if (secret.length < least) this.#find(path, `found text; ${wanted}`);
      return;
    }
    const name = secret.file;
    const where = [...path, "file"];
    const file = await this.#read(name, where, SECRET_LIMIT);
    if (file === null) return;
    const text = decode(file).replace(/\r?\n$/, "");
    if (text === "") return this.#find(where, `${quote(name)} is empty; wanted the secret`);
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x1f\x7f\ufffd]/.test(text)) {
      return this.#find(where, `${quote(name)} holds more than one line, or no text`);
    }
    if (text.length < least) return this.#find(where, `${quote(name)} holds fewer; ${wanted}`);
    const advice = `chmod 600 ${resolvePath(this.#folder, name)}`;
    const who = isOpen(file, 0o007) ? "everybody" : isOpen(file, 0o070) ? "its group" : null;
    if (who !== null) {
      this.#find(where, `${quote(name)} can be read by ${who}`, advice, who !== "everybody");
    }
    this.secrets.set(resolvePath(this.#folder, name), text);
  }

  async #read(name: string, path: KeyPath, limit: number): Promise<ReadFile | null> {
    try {
      return await this.#machine.readFile(resolvePath(this.#folder, name), limit);
    } catch (error) {
      this.#find(path, `${quote(name)} cannot be read: ${describeReadError(error)}`);
      return null;
    }
  }

  #find(path: KeyPath, message: string, hint?: string, warning = false): void {
    this.findings.push({
      ...{ path, of: "value", message },
      ...(hint !== undefined && { hint }),
      ...(warning && { warning }),
    });
  }
}

function isOpen({ mode }: ReadFile, bits: number): boolean {
  return mode !== null && (mode & bits) !== 0;
}

function decode({ octets }: ReadFile): string {
  return new TextDecoder().decode(octets);
}
