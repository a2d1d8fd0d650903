/**
 * What docs/security.md says that each command needs of Deno: with that it works, and with one permission less it says
 * what is missing and does nothing.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands.ts";
import { permissionTest, Program } from "./program.ts";
import {
  type Invocation,
  LESS_SAYS,
  lessByOne,
  Place,
  readPermissions,
} from "./sandboxed_place.ts";

const ROWS = await readPermissions("command");

/** How each is run. */
interface Case extends Invocation {
  /** A server of ours is asked. */
  readonly asks?: boolean;
  /** There is an alias of this name. */
  readonly alias?: string;
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
  "user alias": {
    words: ["user", "alias", "sales@example.test", "alice@example.test", "--config", "CONFIG"],
  },
  "user unalias": {
    words: ["user", "unalias", "team@example.test", "--config", "CONFIG"],
    alias: "team",
  },
  "dns --records": { words: ["dns", "--records", "--config", "CONFIG"] },
  "dns --records --make-key": { words: ["dns", "--records", "--make-key", "--config", "CONFIG"] },
  "dns": { words: ["dns", "--config", "CONFIG"] },
  "dkim list": { words: ["dkim", "list", "--config", "CONFIG"] },
  "dkim new": { words: ["dkim", "new", "example.test", "--config", "CONFIG"] },
  "dkim remove": { words: ["dkim", "remove", "example.test", "s1", "--config", "CONFIG"] },
  "dkim rotate": { words: ["dkim", "rotate", "example.test", "--config", "CONFIG"] },
  "dmarc": { words: ["dmarc", "--config", "CONFIG"] },
  "dmarc FILE": { words: ["dmarc", "FOLDER"] },
  "explain": { words: ["explain", "alice@example.test", "--config", "CONFIG"] },
  "explain --client": {
    words: ["explain", "alice@example.test", "--client", "192.0.2.7", "--config", "CONFIG"],
  },
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
  // There is no such key.
  "dkim remove": [66],
};

Deno.test("docs/security.md has the permissions of every command", () => {
  const named = ROWS.flatMap(({ subjects }) => subjects);
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
  if (example.alias !== undefined) await place.addAlias(example.alias);
  const dns = emptyNameServer();
  if (command !== "serve" && command !== "check") {
    await place.configure({ relay: { nameServers: [dns.address] } });
  }
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

for (const { subjects, flags } of ROWS) {
  for (const command of subjects) {
    const example = CASES[command]!;
    // What checks are about is which are missing.
    const needed = command === "check"
      ? ROWS.find(({ subjects }) => subjects.includes("serve"))!.flags
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
            assertMatch(output, LESS_SAYS, what);
          }
        }
        const { code, output } = await place.run(example, granted);
        assert((ENDS[command] ?? [0]).includes(code), `${code}: ${output}`);
        assert(!/NotCapable|lacks the permission|does not grant/.test(output), output);
      },
    );
  }
}
