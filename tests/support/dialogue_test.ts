/**
 * Dialogues are read as written, run as written, and fail where the server departs from them.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  DialogueError,
  type DialogueTransport,
  parseDialogue,
  parseDialogueSetup,
  runDialogue,
} from "./dialogue.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Says `script[i]` after the i-th write; the first is the greeting. Records what was written. */
class Scripted implements DialogueTransport {
  readonly written: string[] = [];
  readonly #ready: (Uint8Array | null)[] = [];
  readonly #script: (string | null)[];

  /** @param script `null` closes. @param size octets `receive` gives at a time. */
  constructor(script: (string | null)[], readonly size = Infinity) {
    this.#script = script;
    this.#say();
  }

  #say(): void {
    const text = this.#script.shift();
    if (text === null) this.#ready.push(null);
    const bytes = encode(text ?? "");
    for (let at = 0; at < bytes.length; at += this.size) {
      this.#ready.push(bytes.slice(at, at + this.size));
    }
  }

  send(bytes: Uint8Array): Promise<void> {
    this.written.push(new TextDecoder().decode(bytes));
    this.#say();
    return Promise.resolve();
  }

  receive(): Promise<Uint8Array | null> {
    const next = this.#ready.shift();
    return next === undefined
      ? Promise.reject(new Error("nothing to come"))
      : Promise.resolve(next);
  }
}

function run(text: string, ...script: (string | null)[]): Promise<void> {
  return runDialogue(parseDialogue(text), new Scripted(script));
}

/** The dialogue must fail at this line with these words. */
async function fails(promise: Promise<void>, line: number, words: string): Promise<void> {
  const error = await assertRejects(() => promise, DialogueError);
  assertEquals(error.line, line);
  assertStringIncludes(error.message, words);
}

const WHOLE = `# listener: mx
# source: RFC 5321

# A comment.
S: 220 *
C: EHLO bar.com
S~ 250 SIZE *
S! 250 AUTH*
C: MAIL FROM:<a@b>
C| RCPT TO:<c@d>
C> BDAT 1 LAST\\r\\n\\x00
S: 250 2.1.0 *
S: 250 2.1.5 *
S: 250 *
C: QUIT
S: 221 *
S: <close>
`;

Deno.test("parseDialogue() reads every mark, and joins what is one write", () => {
  const send = (line: number, text: string) => ({
    type: "send" as const,
    line,
    bytes: encode(text),
  });
  assertEquals(parseDialogue(WHOLE), [
    { type: "expect", line: 5, pattern: "220 *" },
    send(6, "EHLO bar.com\r\n"),
    { type: "expect-among", line: 7, has: ["250 SIZE *"], hasNot: ["250 AUTH*"] },
    send(9, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\n\0"),
    { type: "expect", line: 12, pattern: "250 2.1.0 *" },
    { type: "expect", line: 13, pattern: "250 2.1.5 *" },
    { type: "expect", line: 14, pattern: "250 *" },
    send(15, "QUIT\r\n"),
    { type: "expect", line: 16, pattern: "221 *" },
    { type: "expect-close", line: 17 },
  ]);
});

Deno.test("parseDialogue() reads escapes and UTF-8, and begins a write after the server's line", () => {
  const bytes = (text: string) => parseDialogue(text).map((step) => "bytes" in step && step.bytes);
  assertEquals(bytes("C> \\x00\\xfF\\t\\\\n"), [Uint8Array.of(0, 255, 9, 92, 110)]);
  assertEquals(bytes("C: ö"), [Uint8Array.of(0xc3, 0xb6, 13, 10)]);
  assertEquals(bytes("C:"), [encode("\r\n")]);
  assertEquals(bytes("C: a\nC|\nC| b"), [encode("a\r\n\r\nb\r\n")]);
  assertEquals(bytes("C: a\nC: b"), [encode("a\r\n"), encode("b\r\n")]);
  assertEquals(bytes("S: 2\nC> a"), [false, encode("a")]);
});

Deno.test("parseDialogue() refuses what it does not know, with the line", () => {
  for (const bad of ["D: x", "C x", "C:x", " C: x", "text", "S| x"]) {
    const error = assertThrows(() => parseDialogue(`# ok\n${bad}\n`), DialogueError);
    assertEquals(error.line, 2);
  }
  assertThrows(() => parseDialogue("C: a\\q"), DialogueError, "backslash");
  assertThrows(() => parseDialogue("C: a\\x1"), DialogueError, "backslash");
});

Deno.test("parseDialogueSetup() reads the head and nothing after it", () => {
  const setup = parseDialogueSetup(
    "# listener: submission\n# source: RFC 4954\n# domains: a.example b.example\n" +
      "# user: tim@a.example pass word\n# user: ann@a.example x\n# extensions: dsn -size\n" +
      "# size: 200\n\n# user: not this one\n",
  );
  assertEquals(setup, {
    listener: "submission",
    source: "RFC 4954",
    hostname: "foo.com",
    domains: ["a.example", "b.example"],
    mailboxes: [],
    users: [{ name: "tim@a.example", password: "pass word" }, {
      name: "ann@a.example",
      password: "x",
    }],
    extensions: ["dsn", "-size"],
    size: 200,
  });
  assertThrows(() => parseDialogueSetup("# source: x\n\n"), DialogueError, "listener");
  assertThrows(
    () => parseDialogueSetup("# listener: imap\n# source: x\n"),
    DialogueError,
    "listener",
  );
  assertThrows(() => parseDialogueSetup("# listener: mx\n"), DialogueError, "source");
  assertThrows(
    () => parseDialogueSetup("# listener: mx\n# colour: red\n"),
    DialogueError,
    "colour",
  );
});

Deno.test("runDialogue() passes what goes as written, octet by octet too", async () => {
  for (const size of [Infinity, 1, 3]) {
    const transport = new Scripted([
      "220 foo.com hello\r\n",
      "250-foo.com\r\n250-HELP\r\n250 SIZE 100\r\n",
      "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 ok\r\n",
      "221 2.0.0 bye\r\n",
    ], size);
    const receive = transport.receive.bind(transport);
    transport.receive = () => receive().catch(() => null);
    await runDialogue(parseDialogue(WHOLE), transport);
    assertEquals(transport.written, [
      "EHLO bar.com\r\n",
      "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\n\0",
      "QUIT\r\n",
    ]);
  }
});

Deno.test("runDialogue() fails on another reply, with line, what was due and what came", async () => {
  await fails(
    run("\nS: 250 2.1.0 *", "550 5.1.1 no\r\n"),
    2,
    "expected 250 2.1.0 *\n  but came 550 5.1.1",
  );
  await fails(run("S: 250 ok", "250 okay\r\n"), 1, "250 okay");
  await fails(run("S: 250 ok", "x250 ok\r\n"), 1, "x250");
  await fails(run("S: 250 a.c", "250 abc\r\n"), 1, "abc");
  await fails(run("S: 250 \\*", "250 x\r\n"), 1, "250 x");
  await run("S: 250 \\* (x) ö", "250 * (x) ö\r\n");
  await run("S: 5* 5.1.3 *", "553 5.1.3 \r\n");
});

Deno.test("runDialogue() fails when the server says too much, too little or closes", async () => {
  await fails(run("S: 220 *\nC: NOOP\nS: 250 *", "220 a\r\n250 b\r\n"), 2, "nothing more was due");
  await fails(run("S: 220 *", "220 a\r\n250 b"), 1, "250 b");
  await fails(run("S: 220 *\nS: <close>", "220 a\r\n221 b\r\n"), 2, "221 b");
  await fails(run("C: QUIT\nS: <close>", "", "221 b\r\n"), 2, "expected the end");
  await fails(run("S: 220 *", null), 1, "but the server closed");
  await run("C: QUIT\nS: <close>", "", null);
});

Deno.test("runDialogue() looks among the lines of one reply, whatever their order", async () => {
  const reply = "250-foo.com\r\n250-SIZE 5\r\n250 HELP\r\n";
  await run("S~ 250 HELP\nS~ 250 SIZE *\nS! 250 AUTH*", reply);
  await fails(run("S~ 250 HELP\nS~ 250 DSN", reply), 1, "no line 250 DSN");
  await fails(run("S~ 250 HELP\nS! 250 SIZE*", reply), 1, "a line 250 SIZE*");
  await fails(run("S~ 250 HELP", `${reply}250 more\r\n`), 1, "250 more");
  await fails(run("S~ 250 HELP", "550 no\r\n"), 1, "550 no");
});

Deno.test("runDialogue() starts TLS and goes away when told", async () => {
  const did: string[] = [];
  const transport: DialogueTransport = {
    send: () => Promise.resolve(),
    receive: () => Promise.resolve(null),
    startTls: () => Promise.resolve(void did.push("tls")),
    close: () => Promise.resolve(void did.push("close")),
  };
  await runDialogue(parseDialogue("C: <starttls>\nC: <close>\n"), transport);
  assertEquals(did, ["tls", "close"]);
  await fails(run("C: <starttls>"), 1, "no TLS");
});

const FOLDER = new URL("../dialogues/", import.meta.url);

Deno.test("every dialogue can be read, names its set-up and ends in an orderly way", async () => {
  let count = 0;
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (!name.endsWith(".txt")) continue;
    count++;
    const text = await Deno.readTextFile(new URL(name, FOLDER));
    const setup = parseDialogueSetup(text);
    const steps = parseDialogue(text);
    const [greeting] = steps;
    assertExists(greeting, name);
    assert(greeting.type === "expect", name);
    assertEquals(greeting.pattern, `220 ${setup.hostname} *`, name);
    assertEquals(steps.at(-1)?.type, "expect-close", name);
    const users = setup.users.map((user) => user.name);
    for (const address of [...setup.mailboxes, ...users]) {
      const domain = address.split("@")[1] ?? "";
      assert(setup.domains.includes(domain), `${name}: ${address} is in no local domain`);
    }
    assert(!/[ \t]$/m.test(text), `${name}: a line ends in a space`);
  }
  assert(count >= 25, `only ${count} dialogues`);
});

Deno.test("DialogueError is an error with its line", () => {
  const error = new DialogueError(3, "x");
  assertInstanceOf(error, Error);
  assertEquals(error.message, "line 3: x");
});
