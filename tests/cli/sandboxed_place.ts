/**
 * A station whose files lie in folders of different names, so that no permission hides in another; and what
 * docs/security.md says that is needed of Deno.
 *
 * @module
 */

import { assert } from "@std/assert";
import { addUser, setAlias } from "../../src/directory/users_edit.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { writeConfig } from "../support/config.ts";
import { readDocument } from "../support/documents.ts";
import { Folder, Program, run } from "./program.ts";
import { ANY_PORT } from "./site.ts";

/** A row of a table: what it is about, and the flags of Deno. */
export interface Row {
  readonly subjects: readonly string[];
  readonly flags: readonly string[];
}

/** The table of docs/security.md whose first column has this head. */
export async function readPermissions(head: string): Promise<Row[]> {
  const { text } = await readDocument("docs/security.md");
  const [, table] = text.split(new RegExp(`^\\| ${head} .*\\n.*\\n`, "m"));
  assert(table !== undefined, `no table with ${head}`);
  const codeIn = (cell = "") => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!);
  return table.split("\n\n")[0]!.trim().split("\n").map((line) => {
    const [, subjects, permissions] = line.split("|");
    const flags = codeIn(permissions).filter((code) => code.startsWith("--"));
    return { subjects: codeIn(subjects), flags: flags.flatMap((code) => code.split(" ")) };
  });
}

/** How the program says that a permission is missing. */
export const LESS_SAYS = /^yizhan: .*Deno (lacks the permission|was not allowed) /m;

/** How the program is called: its words and, for a server, the line that says it serves. */
export interface Invocation {
  readonly words: readonly string[];
  readonly stdin?: string;
  readonly serves?: RegExp;
}

/** The flags with one permission less, each in turn. */
export function* lessByOne(flags: readonly string[]): Generator<[without: string, string[]]> {
  for (const [index, flag] of flags.entries()) {
    const [name, subjects] = flag.split("=");
    const all = subjects?.split(",") ?? [""];
    for (const subject of all) {
      const left = all.filter((one) => one !== subject);
      const others = flags.filter((_, at) => at !== index);
      yield [`${name} ${subject}`, left.length === 0 ? others : [...others, `${name}=${left}`]];
    }
  }
}

/** A station in folders of different names, so that no permission hides in another. */
export class Place implements AsyncDisposable {
  readonly #folder: Folder;
  readonly #path: string;
  readonly #names: Record<string, string> = {};

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.#path = folder.path;
  }

  /** Makes it. */
  static async make(): Promise<Place> {
    const place = new Place(await Folder.make());
    const path = place.#path;
    for (const name of ["etc", "accounts", "var/mail", "var/queue", "keys", "some"]) {
      await Deno.mkdir(`${path}/${name}`, { recursive: true, mode: 0o700 });
    }
    const { files, random } = denoRuntime();
    const address = { local: "alice", domain: "example.test" };
    await addUser({ files, random, path: `${path}/accounts/users` }, {
      ...{ address, password: "correct horse" },
    });
    await writeConfig(`${path}/etc`, {
      hostname: "mx.example.test",
      listeners: [{ role: "mx", address: ANY_PORT }],
      ...{ data: `${path}/var`, users: `${path}/accounts/users` },
      dkim: { directory: `${path}/keys` },
    });
    return place;
  }

  /** Adds an alias of its user. */
  async addAlias(local: string): Promise<void> {
    const { files, random } = denoRuntime();
    const [alias, target] = [local, "alice"].map((local) => ({ local, domain: "example.test" }));
    await setAlias({ files, random, path: this.fill("USERS") }, alias!, [target!]);
  }

  /** Adds to its configuration. */
  async configure(more: Partial<ConfigInput>): Promise<void> {
    const file = this.fill("CONFIG");
    const config = JSON.parse(await Deno.readTextFile(file));
    await Deno.writeTextFile(file, JSON.stringify({ ...config, ...more }));
  }

  /** More words in capitals, and what they stand for. */
  name(names: Readonly<Record<string, string>>): void {
    Object.assign(this.#names, names);
  }

  /** With what the words in capitals stand for. */
  fill(text: string): string {
    const path = this.#path;
    const named: Readonly<Record<string, string>> = {
      CONFIG: `${path}/etc/yizhan.yaml`,
      USERS: `${path}/accounts/users`,
      ACCOUNTS: `${path}/accounts/`,
      DKIM: `${path}/keys`,
      DATA: `${path}/var`,
      MAIL: `${path}/var/mail`,
      QUEUE: `${path}/var/queue`,
      LEDGER: `${path}/var/policies/ledger`,
      POLICIES: `${path}/var/mta-sts`,
      SOCKET: `${path}/var/queue/control.sock`,
      DROP: `${path}/var/drop`,
      NUDGE: `${path}/var/nudge.sock`,
      FOLDER: `${path}/some`,
      PEER: `${path}/some/peer`,
      LISTEN: "127.0.0.1:0",
      ...this.#names,
    };
    return text.replaceAll(/\b(?!YIZHAN_)[A-Z_]{4,}\b|\bKEY\b/g, (word) => {
      const path = named[word];
      assert(path !== undefined, `${word} stands for nothing`);
      return path;
    });
  }

  /** Runs it, a server until it serves. */
  async run(
    { words, stdin = "", serves }: Invocation,
    flags: readonly string[],
  ): Promise<{ code: number; output: string }> {
    const options = { flags, cwd: `${this.#path}/etc`, env: {} };
    const filled = words.map((word) => this.fill(word));
    if (serves === undefined) {
      const { code, stdout, stderr } = await run(filled, { ...options, stdin });
      return { code, output: stdout + stderr };
    }
    await using program = await Program.spawn(filled, options);
    await program.stderrLine(serves).then(() => program.signal("SIGINT")).catch(() => {});
    const { code, stdout, stderr } = await program.ended();
    return { code, output: stdout + stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
