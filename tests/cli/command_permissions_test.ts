/**
 * What docs/security.md says that each command needs of Deno: with that it works, and with one permission less it says
 * what is missing and does nothing.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands.ts";
import { addUser } from "../../src/directory/users_edit.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { writeConfig } from "../support/config.ts";
import { readDocument } from "../support/documents.ts";
import { ANY_PORT } from "./site.ts";
import { Folder, permissionTest, Program, run } from "./program.ts";

/** A row of the table: what is called by what, with which flags of Deno. */
interface Row {
  readonly commands: readonly string[];
  readonly flags: readonly string[];
}

/** The table with the commands. */
async function readRows(): Promise<Row[]> {
  const { text } = await readDocument("docs/security.md");
  const table = text.split(/^\| command .*\n.*\n/m)[1]!.split("\n\n")[0]!;
  const codeIn = (cell = "") => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!);
  return table.trim().split("\n").map((line) => {
    const [, commands, permissions] = line.split("|");
    return {
      commands: codeIn(commands),
      flags: codeIn(permissions).filter((code) => code.startsWith("--allow")).flatMap((code) =>
        code.split(" ")
      ),
    };
  });
}

const ROWS = await readRows();

/** How each is run: its words, what it is given to read, and for a server the line that says it serves. */
interface Case {
  readonly words: readonly string[];
  readonly stdin?: string;
  readonly serves?: RegExp;
  /** A server of ours is asked. */
  readonly asks?: boolean;
}

const MAIL = "To: alice@example.test\n\nHello.\n";

const CASES: Readonly<Record<string, Case>> = {
  "help": { words: ["help", "serve"] },
  "version": { words: ["version"] },
  "man": { words: ["man", "serve"] },
  "completion": { words: ["completion", "bash"] },
  "config schema": { words: ["config", "schema"] },
  "man --directory": { words: ["man", "--directory", "FOLDER"] },
  "config print": { words: ["config", "print", "--config", "CONFIG"] },
  "init": {
    words: ["init", "FOLDER", "--domain", "example.org", "--local", "--yes"],
  },
  "user list": { words: ["user", "list", "--config", "CONFIG"] },
  "user add": {
    words: ["user", "add", "bob@example.test", "--password-stdin", "--config", "CONFIG"],
    stdin: "correct horse\n",
  },
  "user remove": { words: ["user", "remove", "alice@example.test", "--config", "CONFIG"] },
  "user passwd": {
    words: ["user", "passwd", "alice@example.test", "--password-stdin", "--config", "CONFIG"],
    stdin: "correct horse\n",
  },
  "dns --records": { words: ["dns", "--records", "--config", "CONFIG"] },
  "dns --records --make-key": { words: ["dns", "--records", "--make-key", "--config", "CONFIG"] },
  "dns": { words: ["dns", "--config", "CONFIG"] },
  "explain": { words: ["explain", "alice@example.test", "--config", "CONFIG"] },
  "reload": { words: ["reload", "--config", "CONFIG"], asks: true },
  "status": { words: ["status", "--config", "CONFIG"], asks: true },
  "queue": { words: ["queue", "list", "--config", "CONFIG"], asks: true },
  "bans": { words: ["bans", "list", "--config", "CONFIG"], asks: true },
  "trace": { words: ["trace", "--all", "--config", "CONFIG"], asks: true, serves: /^Following / },
  "send -bp": { words: ["send", "-bp", "--config", "CONFIG"], asks: true },
  "send -q": { words: ["send", "-q", "--config", "CONFIG"], asks: true },
  "send": { words: ["send", "--config", "CONFIG", "alice@example.test"], stdin: MAIL, asks: true },
  "sendmail": { words: ["sendmail", "--config", "CONFIG", "-t"], stdin: MAIL, asks: true },
  "send -bs": { words: ["send", "--config", "CONFIG", "-bs"], stdin: "QUIT\r\n", asks: true },
  "check": { words: ["check", "--config", "CONFIG"] },
  "demo": { words: ["demo", "--data", "FOLDER"] },
  "dev": { words: ["dev", "--listen", "LISTEN", "--data", "FOLDER"], serves: /Listens on/ },
  "serve": { words: ["serve", "--config", "CONFIG"], serves: /mx on / },
};

/** What has an end of its own that differs from 0 where all is well. */
const ENDS: Readonly<Record<string, readonly number[]>> = {
  // What should be in DNS is not there.
  dns: [65],
};

/** A station in folders of different names, so that no permission hides in another. */
class Place implements AsyncDisposable {
  readonly #folder: Folder;
  readonly #path: string;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.#path = folder.path;
  }

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

  /** Has another name server than those of the system. */
  async asks(nameServer: string): Promise<void> {
    const file = this.fill("CONFIG");
    const config = JSON.parse(await Deno.readTextFile(file));
    await Deno.writeTextFile(
      file,
      JSON.stringify({ ...config, relay: { nameServers: [nameServer] } }),
    );
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
      SOCKET: `${path}/var/queue/control.sock`,
      DROP: `${path}/var/drop`,
      NUDGE: `${path}/var/nudge.sock`,
      FOLDER: `${path}/some`,
      LISTEN: "127.0.0.1:0",
    };
    return text.replaceAll(/\b[A-Z]{4,}\b/g, (word) => {
      const path = named[word];
      assert(path !== undefined, `${word} stands for nothing`);
      return path;
    });
  }

  /** Runs it, a server until it serves. */
  async run(
    { words, stdin = "", serves }: Case,
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

/** The flags with one permission less, each in turn. */
function* lessByOne(flags: readonly string[]): Generator<[without: string, string[]]> {
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

Deno.test("docs/security.md has the permissions of every command", () => {
  const named = ROWS.flatMap(({ commands }) => commands);
  assertEquals(named.toSorted(), Object.keys(CASES).toSorted());
  const missing = COMMANDS.filter(({ name }) => !named.some((one) => one.split(" ")[0] === name));
  assertEquals(missing.map(({ name }) => name), []);
});

/** A name server that knows no name. */
function emptyNameServer() {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const [message, from] of socket) {
      message[2]! |= 0x80; // an answer (RFC 1035 §4.1.1)
      message[3] = 0x83; // recursion is available; no such name
      await socket.send(message, from);
    }
  })();
  const { port } = socket.addr as Deno.NetAddr;
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      socket.close();
      await answering.catch(() => {});
    },
  };
}

async function prepare(command: string, example: Case) {
  const place = await Place.make();
  if (command === "demo") await Deno.remove(place.fill("FOLDER"));
  const dns = emptyNameServer();
  if (command !== "serve" && command !== "check") await place.asks(dns.address);
  const server = example.asks === true
    ? await Program.start(CASES["serve"]!.words.map((word) => place.fill(word)))
    : null;
  await server?.program.stderrLine(/mx on /);
  return {
    place,
    async [Symbol.asyncDispose]() {
      await server?.program[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

for (const { commands, flags } of ROWS) {
  for (const command of commands) {
    const example = CASES[command]!;
    // What checks are about is which are missing.
    const needed = command === "check"
      ? ROWS.find(({ commands }) => commands.includes("serve"))!.flags
      : flags;
    permissionTest(
      `yizhan ${command} works with its permissions, and not with one less`,
      async () => {
        await using prepared = await prepare(command, example);
        const { place } = prepared;
        const granted = needed.map((flag) => place.fill(flag));
        if (command !== "check") {
          for (const [without, left] of lessByOne(granted)) {
            const { code, output } = await place.run(example, left);
            const what = `without ${without}: ${output}`;
            assert([66, 77].includes(code), `${code} ${what}`);
            assertMatch(output, /^yizhan: .*Deno (lacks the permission|was not allowed) /m, what);
          }
        }
        const { code, output } = await place.run(example, granted);
        assert((ENDS[command] ?? [0]).includes(code), `${code}: ${output}`);
        assert(!/NotCapable|lacks the permission|does not grant/.test(output), output);
      },
    );
  }
}
