import { assertEquals } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { settingsOf } from "../../src/server/roles.ts";
import { formatReply, reply } from "../../src/smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../../src/smtp/server_event.ts";
import { ServerSession } from "../../src/smtp/server_session.ts";

/** Gives a session octets and answers its questions; gives what it said, its first three digits a line. */
function talk(
  session: ServerSession,
  text: string,
  answer: (event: ServerEvent) => ServerAnswer | null,
): string[] {
  session.receive(encode(text));
  for (let event; (event = session.next()) !== null;) {
    const given = answer(event);
    if (given !== null) session.answer(given);
  }
  return decode(session.take()).split("\r\n").filter((line) => line[3] === " ");
}

function greeted(role: "mx" | "lmtp"): ServerSession {
  const session = new ServerSession(settingsOf(role, "mx.example"), { nonce: () => "" });
  session.next();
  session.answer({ reply: reply(220, undefined, "hello") });
  talk(session, role === "lmtp" ? "LHLO c\r\n" : "EHLO c\r\n", yes);
  return session;
}

const yes = ({ type }: ServerEvent): ServerAnswer | null =>
  type === "chunk" || type === "abort" || type === "fault" || type === "quit"
    ? null
    : { reply: reply(250, "2.0.0", "ok") };

Deno.test("ServerSession answers a refused last chunk for each LMTP recipient (RFC 2033 §4.3)", () => {
  const session = greeted("lmtp");
  const said = talk(
    session,
    "MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<d@b.c>\r\nBDAT 4 LAST\r\nNOOPNOOP\r\n",
    (event) => event.type === "body" ? { reply: reply(451, "4.3.2", "full") } : yes(event),
  );
  assertEquals(said.map((line) => line.slice(0, 3)), ["250", "250", "250", "451", "451", "250"]);
});

Deno.test("ServerSession answers a refused chunk that is not the last one once", () => {
  const session = greeted("lmtp");
  const said = talk(
    session,
    "MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<d@b.c>\r\nBDAT 4\r\nNOOPBDAT 2 LAST\r\nxyNOOP\r\n",
    (event) => event.type === "body" ? { reply: reply(451, "4.3.2", "full") } : yes(event),
  );
  assertEquals(said.map((line) => line.slice(0, 3)), ["250", "250", "250", "451", "503", "250"]);
});

Deno.test("ServerSession counts refused recipients over all messages of a session", () => {
  const session = greeted("mx");
  const refuse = (event: ServerEvent) =>
    event.type === "recipient" ? { reply: reply(550, "5.1.1", "no") } : yes(event);
  let said: string[] = [];
  for (let message = 0; message < 11 && session.waiting !== "closed"; message++) {
    const guesses = Array.from({ length: 10 }, (_, i) => `RCPT TO:<guess${message}${i}@b.c>\r\n`);
    said = talk(session, `RSET\r\nMAIL FROM:<>\r\n${guesses.join("")}`, refuse);
  }
  assertEquals(said.at(-1)?.slice(0, 9), "421 4.7.0");
});

Deno.test("formatReply() cuts a line at 512 octets and between characters (RFC 5321 §4.5.3.1.5)", () => {
  const bytes = formatReply(reply(550, "5.7.1", "é".repeat(600)));
  assertEquals(bytes.length <= 512, true);
  assertEquals(decode(bytes), `550 5.7.1 ${"é".repeat(245)}\r\n`);
});

Deno.test("formatReply() does not cut a 334: half a challenge is none", () => {
  const challenge = "A".repeat(800);
  assertEquals(decode(formatReply({ code: 334, lines: [challenge] })), `334 ${challenge}\r\n`);
});

Deno.test("ServerSession holds to the limit of messages whatever SIZE announces", () => {
  const settings = settingsOf("mx", "mx.example", {
    limits: { messageSize: 1000 },
    extensions: { size: 0 },
  });
  const session = new ServerSession(settings, { nonce: () => "" });
  session.next();
  session.answer({ reply: reply(220, undefined, "hello") });
  talk(session, "EHLO c\r\n", yes);
  assertEquals(talk(session, "MAIL FROM:<> SIZE=1001\r\n", yes)[0]?.slice(0, 9), "552 5.3.4");
});
