/**
 * What `yizhan init` writes. The configuration comes last: where it is, the rest is whole. Each file is written
 * beside its name, synced and renamed; what is there is kept; and where anything fails, what was made is taken away
 * again, so that it can be repeated.
 *
 * @module
 */

import { dkimKeyPath, selectorOf } from "../admin/dkim_folder.ts";
import { readDkimKey } from "../admin/dkim_key.ts";
import type { PublishedKey } from "../admin/dns_records.ts";
import { mailboxKey, parseAddress } from "../address.ts";
import { decode, encode } from "../bytes.ts";
import { configJsonSchema } from "../config/json_schema.ts";
import { addUser } from "../directory/users_edit.ts";
import { readUsersFile } from "../directory/users_read.ts";
import type { Files } from "../runtime/files.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ALGORITHMS, makeDkimKey } from "./dkim_key_file.ts";
import { CommandError, EXIT } from "./exit.ts";
import type { InitAnswers } from "./init_answers.ts";
import { formatStationConfig } from "./init_config.ts";
import { makeCertificate } from "./local_certificate.ts";

/** The name of the configuration. */
export const CONFIG_NAME = "yizhan.yaml";
/** Which keys are made: the default of `dkim.selector`, and the one beside it. */
export const DKIM_SELECTOR = "yizhan";

/** What is there now. */
export interface InitResult {
  /** In the order they were made; `kept`: it was there before. */
  readonly files: readonly { readonly path: string; readonly kept: boolean }[];
  /** The user was there, and has the password it had. */
  readonly userKept: boolean;
  /** The public halves of the DKIM keys. */
  readonly keys: readonly PublishedKey[];
}

/** Makes everything. @throws {CommandError}, and what `Files` throws. */
export async function writeStation(
  runtime: Runtime,
  folder: string,
  answers: InitAnswers,
): Promise<InitResult> {
  const site = new Site(runtime.files, folder);
  try {
    return await writeAll(site, runtime, answers);
  } catch (error) {
    await site.undo();
    throw error;
  }
}

async function writeAll(site: Site, runtime: Runtime, answers: InitAnswers): Promise<InitResult> {
  await site.makeFolder("", 0o755);
  // Others must get through it to the drop folder; what is in it is closed to them.
  await site.makeFolder(answers.data ?? "data", 0o711);
  const keys = await keepDkimKeys(site, answers.domain);
  await keepCertificate(site, runtime, answers);
  const userKept = await keepUser(site, runtime, answers);
  await site.keepFile("yizhan.schema.json", 0o644, formatSchema);
  await site.keepFile(CONFIG_NAME, 0o644, () => formatStationConfig(answers));
  return { files: site.files, keys, userKept };
}

async function keepDkimKeys(site: Site, domain: string): Promise<PublishedKey[]> {
  const keys: PublishedKey[] = [];
  for (const algorithm of ALGORITHMS) {
    const selector = selectorOf(DKIM_SELECTOR, algorithm);
    const path = dkimKeyPath("dkim", domain, selector);
    await site.makeFolder("dkim", 0o700);
    await site.makeFolder(path.replace(/\/[^/]*$/, ""), 0o700);
    const pem = await site.keepFile(path, 0o600, () => makeDkimKey(algorithm));
    const read = readDkimKey(pem);
    if (read.status === "bad") {
      throw new CommandError(EXIT.dataError, `${site.path(path)} ${read.reason}; or move it away`);
    }
    keys.push({ selector, key: read.key });
  }
  return keys;
}

async function keepCertificate(
  site: Site,
  { clock }: Runtime,
  { hostname, local }: InitAnswers,
): Promise<void> {
  const [certificate, key] = ["tls/certificate.pem", "tls/key.pem"];
  const there = [await site.has(certificate), await site.has(key)];
  if (there[0] !== there[1]) {
    const [one, other] = (there[0] ? [certificate, key] : [key, certificate]).map(site.path);
    const advice = "put the other one there too, or move it away";
    throw new CommandError(EXIT.cantCreate, `${one} is there without ${other}: ${advice}`);
  }
  await site.makeFolder("tls", 0o700);
  const names = [hostname, ...(local ? ["localhost", "127.0.0.1"] : [])];
  const made = there[0] ? null : await makeCertificate(names, clock.now(), hostname);
  await site.keepFile(key, 0o600, () => made!.key);
  await site.keepFile(certificate, 0o644, () => made!.certificate);
}

/** Gives whether the user was there, and keeps its password. */
async function keepUser(site: Site, runtime: Runtime, answers: InitAnswers): Promise<boolean> {
  const { files, random } = runtime;
  const address = parseAddress(answers.user, { smtputf8: true })!;
  const path = site.path("users");
  if (await site.has("users")) {
    const { file } = await readUsersFile(files, path);
    site.note("users", true);
    if (file.table.users.has(mailboxKey(address))) return true;
    await addUser({ files, random, path }, { address, password: answers.password.text });
    return false;
  }
  site.undoable("users");
  await addUser({ files, random, path }, { address, password: answers.password.text });
  site.note("users", false);
  return false;
}

function formatSchema(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

/** A folder in which things are made, and what was made in it. */
class Site {
  readonly files: { readonly path: string; readonly kept: boolean }[] = [];
  readonly #files: Files;
  readonly #folder: string;
  /** Paths, the last one first to go. */
  readonly #made: string[] = [];

  constructor(files: Files, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** The path of a thing in the folder, or of another by its absolute path; `""` is the folder itself. */
  readonly path = (name: string): string => {
    if (name === "") return this.#folder;
    if (name.startsWith("/")) return name;
    return this.#folder === "." ? name : `${this.#folder}/${name}`;
  };

  async has(name: string): Promise<boolean> {
    return await this.#files.stat(this.path(name)) !== null;
  }

  /** It goes if anything fails from now on. */
  undoable(name: string): void {
    this.#made.push(this.path(name));
  }

  note(name: string, kept: boolean): void {
    this.files.push({ path: this.path(name), kept });
  }

  /** Makes a folder where there is none, and those above it. */
  async makeFolder(name: string, mode: number): Promise<void> {
    await this.#makeFolder(this.path(name), mode);
  }

  async #makeFolder(path: string, mode: number): Promise<void> {
    if (await this.#files.stat(path, { follow: true }) !== null) return;
    const above = folderOf(path);
    if (above !== path) await this.#makeFolder(above, 0o755);
    await this.#files.makeDirectory(path, mode);
    this.#made.push(path);
    await this.#files.setMode(path, mode); // Whatever the umask.
    await this.#files.syncDirectory(above);
  }

  /** Writes a file where there is none; gives its text. */
  async keepFile(
    name: string,
    mode: number,
    make: () => string | Promise<string>,
  ): Promise<string> {
    const path = this.path(name);
    if (await this.has(name)) {
      this.note(name, true);
      return decode(await this.#files.readFile(path));
    }
    const text = await make();
    const draft = `${path}.new`;
    // What a run left that the power ended.
    if (await this.#files.stat(draft) !== null) await this.#files.remove(draft);
    this.#made.push(draft);
    const handle = await this.#files.open(draft, { write: true, createNew: true, mode });
    try {
      await handle.write(encode(text));
      await handle.sync();
    } finally {
      handle.close();
    }
    await this.#files.setMode(draft, mode);
    await this.#files.rename(draft, path);
    this.#made.push(path);
    await this.#files.syncDirectory(folderOf(path));
    this.note(name, false);
    return text;
  }

  /** Takes away what was made, as far as that can be done; a folder only when nothing else is in it. */
  async undo(): Promise<void> {
    for (const path of this.#made.reverse()) await this.#files.remove(path).catch(() => {});
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}
