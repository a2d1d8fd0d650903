/**
 * Conversations overheard beside other programs: swaks logs in in all its ways, rightly and wrongly, and its mail
 * goes on to Postfix. Everything is to be seen but passwords and the mail itself.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { askControl } from "../../src/admin/control_client.ts";
import type { ControlLine, JsonObject } from "../../src/admin/control_protocol.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { toPort } from "../support/config.ts";
import { assertNoSecret } from "../support/secrets.ts";
import { until } from "./daemon.ts";
import { untilMail } from "./maildir.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import { type Server, startStation } from "./server.ts";
import { interopTest, run } from "./support.ts";

const ALICE = "alice@example.test";
const BOB = "bob@postfix.test";
const PASSWORD = "Hx7-vQ_kzW9!pyG";
const WORDS = "words that nobody but Bob reads";

/** A line of a conversation, and what comes of asking for them. */
interface Line {
  readonly id: string;
  readonly side: string;
  readonly peer: string;
  readonly text: string;
}

/** Asks a server, and waits until it listens. */
async function follow(server: Server, request: JsonObject) {
  const socket = `${server.folder.path}/queue/control.sock`;
  // It is there a moment after the ports.
  await until("the control socket", () => Deno.stat(socket).catch(() => null));
  const answer = askControl(denoRuntime().network, socket, { do: "trace", ...request });
  const { value } = await answer.next();
  assertEquals((value as ControlLine).type, "following");
  const lines: Line[] = [];
  return {
    lines,
    /** Reads on until a line is such. */
    async until(isLast: (line: Line) => boolean): Promise<string> {
      for (;;) {
        const { done, value } = await answer.next();
        if (done) throw new Error(`it ended after:\n${lines.map(({ text }) => text).join("\n")}`);
        const line = value as ControlLine & Line;
        assertEquals(line.type, "line");
        lines.push(line);
        if (isLast(line)) return lines.map(({ text }) => text).join("\n");
      }
    },
    [Symbol.asyncDispose]: async () => void await answer.return({}),
  };
}

function swaks(server: Server, password: string, mechanism: string, ...more: string[]) {
  const { address } = server.endpoint("submission");
  const login = ["--auth", mechanism, "--auth-user", ALICE, "--auth-password", password];
  const mail = ["--from", ALICE, "--to", BOB, "--body", WORDS, "--helo", "client.test"];
  return run("swaks", ["--server", address, ...mail, ...login, ...more]);
}

interopTest("a login by swaks is overheard without its password, be it right or wrong", [
  "swaks",
], async () => {
  await using server = await startStation({
    users: { [ALICE]: PASSWORD },
    listeners: ["submission"],
    relay: { routes: [toPort(9)] },
  });
  const wrong = "Qq1-zZ_xxY8!mmN";
  for (const mechanism of ["PLAIN", "LOGIN"]) {
    for (
      const [password, code, ...more] of [[PASSWORD, 235, "-tls"], [wrong, 535, "-tls"], [
        PASSWORD,
        538,
      ]] as const
    ) {
      await using heard = await follow(server, { peer: "127.0.0.0/8" });
      const ran = swaks(server, password, mechanism, ...more);
      const text = await heard.until(({ text }) => text === "quit" || text.startsWith("closed"));
      await ran;
      assertNoSecret(text, ALICE, password);
      assert(!text.includes(WORDS), "no content");
      if (code === 538) continue; // it does not even try where AUTH is not offered
      assertMatch(text, new RegExp(`^AUTH ${mechanism}(?: \\[…\\])?$`, "m"));
      assertMatch(text, new RegExp(`^${code} `, "m"));
      assertMatch(text, /^TLS: TLSv1\.\d, \S+$/m);
    }
  }
});

interopTest(
  "the way of a mail to Postfix is overheard by its id",
  [...POSTFIX, "swaks"],
  async () => {
    await using postfix = await startPostfix({ mailboxes: [BOB], tls: "postfix.test" });
    await using server = await startStation({
      users: { [ALICE]: PASSWORD },
      listeners: ["submission"],
      relay: { routes: [toPort(postfix.port)] },
    });
    await using heard = await follow(server, { all: true });
    const sent = swaks(server, PASSWORD, "PLAIN", "-tls");
    await heard.until(({ side, text }) => side === "out" && text === "closed");
    await sent;
    await untilMail(postfix.maildir(BOB), 1, postfix.log);
    const out = heard.lines.filter(({ side }) => side === "out");
    const session = heard.lines.find(({ side }) => side === "in")!;
    assertEquals(new Set(out.map(({ id }) => id)), new Set([`${session.id}.1`]));
    const text = out.map(({ text }) => text).join("\n");
    assertMatch(text, /^connecting, for SMTP\n220 .*Postfix.*\nEHLO mx\.example\.test\n250-/);
    assertMatch(text, /\nSTARTTLS\n220 2\.0\.0 Ready to start TLS\nTLS: TLSv1\.\d, \S+\nEHLO /);
    assertMatch(text, /\nMAIL FROM:<alice@example\.test>.*\nRCPT TO:<bob@postfix\.test>/);
    assertMatch(text, /\nBDAT (\d+) LAST\n\[… \1 octets\]\n250 2\.0\.0 Ok: \1 bytes queued as /);
    assertMatch(text, /\nQUIT\n221 2\.0\.0 Bye\nclosed$/);
    const all = heard.lines.map(({ text }) => text).join("\n");
    assertNoSecret(all, ALICE, PASSWORD);
    assert(!all.includes(WORDS), "no content");
  },
);
