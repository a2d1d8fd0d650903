/**
 * Fuzzing of what an operator, or whoever writes in an operator's files, says: the configuration as text and in the
 * environment, the users file, requests at the control socket.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parseControlEnd, parseControlLine } from "../../../src/admin/control_protocol.ts";
import { ControlServer } from "../../../src/admin/control_server.ts";
import { traceCommands } from "../../../src/admin/trace_requests.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { ENVIRONMENT_KEYS } from "../../../src/config/environment.ts";
import { ConfigError, formatProblem } from "../../../src/config/problems.ts";
import { parseUsersFile, splitWords } from "../../../src/directory/users_file.ts";
import { Tracer } from "../../../src/observe/trace.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { testMachine } from "../../config/machine.ts";
import type { FuzzTarget } from "../engine/target.ts";

const KEYS = [...new Set(ENVIRONMENT_KEYS.flatMap(({ path }) => path))];

/** What a secret of the machine is; no problem may tell it. */
const SECRET = "correct-horse-battery";

async function loadBoth(text: string, environment: Record<string, string>): Promise<void> {
  const machine = testMachine({ files: { "yizhan.yaml": text }, environment });
  try {
    await loadConfig("yizhan.yaml", machine);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert(error.problems.length > 0, "refused without a reason");
    for (const problem of error.problems) {
      const line = formatProblem(problem);
      assert(line.length < 4000, `a problem of ${line.length} characters`);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x08\x0b-\x1f\x7f]/.test(line), JSON.stringify(line));
      assert(!line.includes(SECRET), "told a secret");
    }
  }
}

const VALUES = [
  ...[
    "true",
    "null",
    "1",
    "-1",
    "1e999",
    "0x10",
    "[]",
    "{}",
    "[a, b]",
    "{a: b}",
    "10MiB",
    "1h",
    "&x [*x]",
  ],
  ...[
    "!!js/function a",
    "'",
    '"',
    "|",
    "<<: *x",
    "*x",
    "{? a : b}",
    "~",
    "127.0.0.1:25",
    "__proto__",
    "\t",
  ],
  ...[
    "&a [x, x]",
    "- a",
    "? ",
    "--- a\n---",
    "%YAML 9",
    "\ufeff",
    "2026-01-01",
    ".inf",
    "0o17",
    "a: a: a",
  ],
];

/** Sections whose values lie deep. */
const SECTIONS = [
  "abuse:\n  exempt: [10.0.0.0/8]\n  rates:\n    connections: 60/1m\n  bans:\n    logins: 20/h\n",
  "abuse:\n  dnsLists:\n    lists:\n      - zone: zen.example.org\n        answers: { 127.0.0.2-4: 3 }\n",
  "abuse:\n  greylisting: { enabled: true, delay: 5m, recipients: [a@b.c, d.e] }\n  tarpit: {}\n",
  "abuse: { accounts: { messages: 100/1d }, loginBackoff: { client: 9/1h }, senderDomain: {} }\n",
  "filters:\n  - kind: milter\n    address: unix:/run/a.sock\n    onTrouble: accept\n",
  "filters:\n  - kind: clamav\n    address: 127.0.0.1:3310\n    maxSize: 10M\n",
  "filters:\n  - kind: http\n    url: http://127.0.0.1:1/\n    secret: 0123456789abcdef0123456789abcdef\n",
];

/** Lists of aliases for lists of aliases: so many levels, and so many times as much at each. */
function bomb(levels: number, times: number): string {
  let text = `l0: &l0 [${"x,".repeat(times)}]\n`;
  for (let level = 1; level < levels; level++) {
    text += `l${level}: &l${level} [${`*l${level - 1},`.repeat(times)}]\n`;
  }
  return text;
}

const config: FuzzTarget = {
  name: "config",
  about:
    "configurations: read, or refused with problems in whole lines that tell no secret; no bomb goes off",
  words: [
    ...KEYS,
    ...VALUES,
    ...SECTIONS,
    ...["60/1h", "0/h", "9/400d", "127.0.0.4-7", "127.0.x.300", "kind: ", "unix:", "[::1]:25"],
    ": ",
    "\n  ",
    "\n",
    "- ",
    "__proto__",
    "constructor",
    "&a ",
    "*a",
    "[[[[",
    "{{{{",
  ],
  generate: (chance) =>
    encode(
      chance.oneIn(40) ? bomb(chance.between(2, 5), chance.between(10, 70)) : chance.pick([
        "",
        "hostname: mx.example.org\n",
        `hostname: mx.example.org\n${chance.pick(SECTIONS)}`,
        "listeners:\n  - role: mx\n    address: 127.0.0.1:25\n",
      ]) +
        chance.many(1, 8, () =>
          `${" ".repeat(2 * chance.below(3))}${chance.oneIn(5) ? "- " : ""}${chance.pick(KEYS)}: ${
            chance.pick(["", ...VALUES])
          }\n`),
    ),
  async run(input) {
    await loadBoth(decode(input), {});
  },
};

const environment: FuzzTarget = {
  name: "environment",
  about:
    "configuration by environment, a line each: read, or refused with problems; no secret told",
  words: [...ENVIRONMENT_KEYS.map(({ name }) => `\n${name}=`), ...VALUES],
  generate: (chance) =>
    encode(
      chance.many(1, 5, () => `${chance.pick(ENVIRONMENT_KEYS).name}=${chance.pick(VALUES)}`, "\n"),
    ),
  async run(input) {
    const variables: Record<string, string> = {};
    for (const line of decode(input).split("\n").slice(0, 12)) {
      const at = line.indexOf("=");
      if (at > 0 && !line.includes("\0")) variables[line.slice(0, at)] = line.slice(at + 1);
    }
    variables.YIZHAN_RELAY_PASSWORD ??= SECRET;
    await loadBoth("hostname: mx.example.org\n", variables);
  },
};

const users: FuzzTarget = {
  name: "users",
  about: "users files: a table or problems, each of a line that is there and telling no verifier",
  words: [
    "# yizhan users 1\n",
    "user ",
    "alias ",
    "domain ",
    '"',
    "\\",
    "quota=1G",
    "send-as=",
    "a@b.c",
    " -",
    "\n",
    "*",
  ],
  generate: (chance) =>
    encode(
      "# yizhan users 1\n" +
        chance.many(0, 6, () =>
          chance.pick([
            "user alice@example.org - quota=1G\n",
            `user "a b"@example.org scram-sha-256:4096:c2FsdA==:c2VjcmV0:c2VjcmV0\n`,
            "alias team@example.org alice@example.org\n",
            "alias @example.org alice@example.org\n",
            "domain example.org\n",
            "user a@b.c - quota=999999999999999999T\n",
          ])),
    ),
  run(input) {
    const text = decode(input);
    const { problems, lines } = parseUsersFile(text);
    const count = text.split("\n").length;
    for (const { line, text } of problems) {
      assert(line >= 1 && line <= count, `line ${line} of ${count}`);
      assert(!/\p{Cc}/u.test(text) && text.length < 2000, JSON.stringify(text));
    }
    for (const line of lines.values()) assert(line >= 1 && line <= count);
    for (const line of text.split("\n")) {
      for (const { text: word, at } of splitWords(line) ?? []) {
        assertEquals(line.slice(at, at + word.length), word);
      }
    }
  },
};

const control: FuzzTarget = {
  name: "control",
  about:
    "requests at the control socket, trace filters among them: whole lines of JSON, one end, no fault of ours",
  words: [
    '"do":"trace"',
    '"all":true',
    '"peer":"192.0.2.0/24"',
    '"limit":0',
    '"id":"s1"',
    '"version":1',
    "\n",
    "null",
    "[[",
    "1e999",
    '"listener":"mx"',
    '"__proto__":1',
    '"seconds":0.001',
  ],
  generate(chance) {
    const filter = chance.pick([
      ...[{ all: true }, { peer: "192.0.2.1" }, { peer: "mx.example" }, { peer: "unix" }, {
        id: "s1",
      }],
      ...[{ listener: "mx" }, { peer: 7 }, {}, { peer: "::/0" }, { all: true, id: "a" }],
    ]);
    const request = {
      version: chance.pick([1, 1, 1, 2]),
      do: chance.pick(["trace", "trace", "toString"]),
      ...filter,
    };
    return encode(`${JSON.stringify({ ...request, limit: 1, seconds: chance.below(3) })}\n`);
  },
  async run(input) {
    const runtime = memoryRuntime();
    const faults: unknown[] = [];
    const queue = { show: () => Promise.resolve(null), async *list() {} };
    const commands = traceCommands({
      tracer: new Tracer(runtime.clock),
      clock: runtime.clock,
      resolver: runtime.resolver,
      queue: () => queue as never,
      listeners: () => ["mx"],
    });
    await runtime.files.makeDirectory("/q", 0o700);
    const path = "/q/control.sock";
    const { network, files, clock } = runtime;
    const server = await ControlServer.start({
      ...{ network, files, clock, path, commands },
      onFault: (fault) => faults.push(fault),
    });
    const connection = await network.connect({ transport: "unix", path });
    let answer = "";
    const talk = async () => {
      await connection.write(input).catch(() => {});
      await connection.closeWrite().catch(() => {});
      const buffer = new Uint8Array(4096);
      for (let n; (n = await connection.read(buffer).catch(() => null)) !== null;) {
        answer += decode(buffer.subarray(0, n));
      }
    };
    await clock.runUntil(talk());
    connection.close();
    await clock.runUntil(server.stop());
    assertEquals(faults, []);
    if (answer === "") return;
    assert(answer.endsWith("\n"), answer);
    const lines = answer.trimEnd().split("\n").map((line) => parseControlLine(encode(line)));
    assert(lines.every((line) => line !== null), answer);
    const ends = lines.filter((line) => parseControlEnd(line!) !== null);
    assertEquals(ends.length, 1, answer);
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [config, environment, users, control];
