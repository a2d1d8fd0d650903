/**
 * Policies on the disk, so that they outlive a restart: whoever keeps us from DNS and the web for a while must not have
 * us forget them. A file for each domain, of mode 0600 in a folder of 0700, written beside itself and renamed, so that
 * several threads may share the folder: each sees a whole file, and the last writer's.
 *
 * ```text
 * mta-sts/example.org.json    {"version": 1, "domain": "example.org", "id": "…", "fetched": "…", …}
 * ```
 *
 * What fails: what the disk throws. A file that is not as it was written is as none at all.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { decodeStrict, encode } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import type { Random } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { readOwnFile } from "../../runtime/whole_file.ts";
import { formatStsPolicy, parseStsPolicy, STS_POLICY_LIMIT, type StsPolicy } from "./policy.ts";

/** A policy that was fetched. */
export interface KeptPolicy {
  /** Of the record that announced it; `null` where that could not be asked. */
  readonly id: string | null;
  /** When, in epoch milliseconds. */
  readonly fetched: number;
  /** When it last counted for a mail, to the day, in epoch milliseconds. */
  readonly used: number;
  /** The policy itself. */
  readonly policy: StsPolicy;
}

/** After so many new files it is looked how many there are. */
const LOOK_AFTER = 100;
/** Milliseconds after which a draft is of a process that died. */
const DEAD = 3_600_000;

/** Policies in a folder. */
export class StsPolicyStore {
  readonly #files: Files;
  readonly #random: Random;
  readonly #folder: string;
  readonly #limit: number;
  #written = 0;

  /**
   * A store that reads and writes nothing yet.
   *
   * @param folder made when there is something to keep. @param limit domains in it, as good as: then the oldest tenth
   * makes room.
   */
  constructor(files: Files, random: Random, folder: string, limit: number = 10_000) {
    this.#limit = limit;
    this.#files = files;
    this.#random = random;
    this.#folder = folder;
  }

  /** What was kept for a domain, in A-labels, whether it still holds or not. @throws what reading throws. */
  async read(domain: string): Promise<KeptPolicy | null> {
    const found = await this.#readFile(this.#path(domain));
    return found?.[0] === domain ? found[1] : null;
  }

  /** All that was kept, by domain. @throws what the disk says, but not where there is no folder. */
  async *list(): AsyncGenerator<[domain: string, kept: KeptPolicy]> {
    const names: string[] = [];
    try {
      for await (const { name } of this.#files.list(this.#folder)) names.push(name);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
    for (const name of names) {
      const path = `${this.#folder}/${name}`;
      const found = name.endsWith(".json") ? await this.#readFile(path) : null;
      if (found !== null && this.#path(found[0]) === path) yield found;
    }
  }

  /** Forgets a domain. @throws what the disk says; not where nothing was kept. */
  async remove(domain: string): Promise<void> {
    await this.#files.remove(this.#path(domain)).catch((error) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
  }

  async #readFile(path: string): Promise<[domain: string, kept: KeptPolicy] | null> {
    try {
      // JSON writes an octet of the policy as two at most, or six where it is none that a policy has.
      const octets = await readOwnFile(this.#files, path, 4 * STS_POLICY_LIMIT);
      return parseKept(decodeStrict(octets) ?? "");
    } catch (error) {
      if (errorCode(error) === "ENOENT" || errorCode(error) === "EFBIG") return null;
      throw error;
    }
  }

  /** Keeps what was fetched, in place of what there is. @throws what the disk says. */
  async write(domain: string, { id, fetched, used, policy }: KeptPolicy): Promise<void> {
    await this.#makeRoom();
    const draft = `${this.#folder}/.${this.#random.bytes(9).toHex()}.new`;
    const text = JSON.stringify(
      {
        version: 1,
        ...{ domain, id, fetched: new Date(fetched).toISOString() },
        ...{ used: new Date(used).toISOString(), policy: formatStsPolicy(policy) },
      },
      null,
      2,
    );
    const handle = await openFresh(this.#files, draft);
    try {
      await handle.write(encode(`${text}\n`));
      await handle.sync();
    } finally {
      handle.close();
    }
    await this.#files.rename(draft, this.#path(domain));
  }

  #path(domain: string): string {
    // Names of strangers: what could lead elsewhere, or is too long for a file, goes by its hash.
    const name = /^[a-z0-9_][a-z0-9._-]{0,199}$/.test(domain)
      ? domain
      : `sha256-${createHash("sha256").update(domain).digest("hex")}`;
    return `${this.#folder}/${name}.json`;
  }

  async #makeRoom(): Promise<void> {
    if (this.#written === 0) await makeFolders(this.#files, this.#folder);
    if (this.#written++ % LOOK_AFTER !== 0) return;
    const found: { readonly path: string; readonly modified: number; readonly draft: boolean }[] =
      [];
    for await (const { name } of this.#files.list(this.#folder)) {
      const path = `${this.#folder}/${name}`;
      const draft = name.endsWith(".new");
      if (!draft && !name.endsWith(".json")) continue;
      const stat = await this.#files.stat(path);
      if (stat !== null) found.push({ path, modified: stat.modified, draft });
    }
    found.sort((one, other) => one.modified - other.modified);
    const newest = found.at(-1)?.modified ?? 0;
    const kept = found.filter(({ draft }) => !draft);
    const old = kept.slice(0, kept.length < this.#limit ? 0 : kept.length - 0.9 * this.#limit);
    const dead = found.filter(({ draft, modified }) => draft && modified < newest - DEAD);
    for (const { path } of [...old, ...dead]) {
      await this.#files.remove(path).catch(() => {}); // another thread was faster
    }
  }
}

/** The domain of a file, and what was kept for it. */
function parseKept(text: string): [domain: string, kept: KeptPolicy] | null {
  try {
    const { version, domain, id, policy, ...times } = JSON.parse(text);
    const [fetched, used] = [Date.parse(times.fetched), Date.parse(times.used)];
    if (version !== 1 || typeof domain !== "string" || Number.isNaN(fetched + used)) return null;
    if (id !== null && typeof id !== "string" || typeof policy !== "string") return null;
    const parsed = parseStsPolicy(policy);
    return "fault" in parsed ? null : [domain, { id, fetched, used, policy: parsed }];
  } catch {
    return null;
  }
}

/** Makes a folder of ours, and those it lies in, where they are missing. */
export async function makeFolders(files: Files, folder: string): Promise<void> {
  const above = folder.slice(0, Math.max(0, folder.lastIndexOf("/")));
  try {
    await files.makeDirectory(folder, 0o700);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    if (errorCode(error) !== "ENOENT" || above === "") throw error;
    await makeFolders(files, above);
    await files.makeDirectory(folder, 0o700);
  }
}
