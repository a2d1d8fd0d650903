import { assertEquals } from "@std/assert";
import { Conversation, type SpokenLine } from "../../../src/cli/demo/conversation.ts";
import { encode } from "../../../src/bytes.ts";

function overhear(): { readonly conversation: Conversation; readonly lines: string[] } {
  const lines: string[] = [];
  const show = ({ from, to, kind, text, secret }: SpokenLine) =>
    void lines.push(`${from}→${to} ${kind}${secret ? " secret" : ""}: ${text}`);
  const conversation = new Conversation("C", "A", {
    line: show,
    tls: (client, server, { protocol }) => void lines.push(`${client}⇄${server} ${protocol}`),
  });
  return { conversation, lines };
}

/** `<` is what the client received, `>` what it sent. */
function play(conversation: Conversation, script: readonly string[], step = Infinity): void {
  for (const part of script) {
    const octets = encode(part.slice(1));
    for (let at = 0; at < octets.length; at += step) {
      const piece = octets.subarray(at, at + step);
      if (part.startsWith("<")) conversation.received(piece);
      else conversation.sent(piece);
    }
  }
}

const DIALOGUE = [
  "<220 a ESMTP\r\n",
  ">EHLO c\r\n",
  "<250-a\r\n250-SIZE 100\r\n250 8BITMIME\r\n",
  ">MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n",
  "<250 ok\r\n250 ok\r\n354 go\r\n",
  ">Subject: hi\r\n\r\nQUIT\r\n..\r\n.\r\nQUIT\r\n",
  "<250 done\r\n221 bye\r\n",
];

const HEARD = [
  "A→C reply: 220 a ESMTP",
  "C→A command: EHLO c",
  "A→C reply: 250 a · SIZE 100 · 8BITMIME",
  "C→A command: MAIL FROM:<x@y>",
  "C→A command: RCPT TO:<z@y>",
  "C→A command: DATA",
  "A→C reply: 250 ok",
  "A→C reply: 250 ok",
  "A→C reply: 354 go",
  "C→A message: Subject: hi",
  "C→A message: ",
  "C→A message: QUIT",
  "C→A message: ..",
  "C→A message: .",
  "C→A command: QUIT",
  "A→C reply: 250 done",
  "A→C reply: 221 bye",
];

for (const step of [1, 3, Infinity]) {
  Deno.test(`Conversation gives lines with who says them, in pieces of ${step} octets`, () => {
    const { conversation, lines } = overhear();
    play(conversation, DIALOGUE, step);
    assertEquals(lines, HEARD);
  });
}

Deno.test("Conversation knows the message in BDAT chunks", () => {
  const { conversation, lines } = overhear();
  play(
    conversation,
    [">BDAT 9\r\nMAIL 1\r\n", ">\r\nBDAT 4 LAST\r\nü\r\nQUIT\r\n"].map((one) => one),
  );
  assertEquals(lines, [
    "C→A command: BDAT 9",
    "C→A message: MAIL 1",
    "C→A message: ",
    "C→A command: BDAT 4 LAST",
    "C→A message: ü",
    "C→A command: QUIT",
  ]);
});

Deno.test("Conversation keeps passwords to itself", () => {
  const { conversation, lines } = overhear();
  play(conversation, [
    ">AUTH PLAIN AGEAYg==\r\n",
    "<535 no\r\n",
    ">AUTH LOGIN\r\n",
    "<334 VXNlcm5hbWU6\r\n",
    ">YQ==\r\n",
    "<334 UGFzc3dvcmQ6\r\n",
    ">Yg==\r\n",
    "<235 welcome\r\n",
    ">MAIL FROM:<>\r\n",
  ]);
  assertEquals(lines.filter((line) => line.startsWith("C")), [
    "C→A command: AUTH PLAIN ••••••",
    "C→A command: AUTH LOGIN",
    "C→A command: ••••••",
    "C→A command: ••••••",
    "C→A command: MAIL FROM:<>",
  ]);
});

Deno.test("Conversation tells when TLS begins, and what is said inside it", () => {
  const { conversation, lines } = overhear();
  play(conversation, [">STARTTLS\r\n"]);
  conversation.secured({ protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" });
  play(conversation, [">EHLO c\r\n", "<250 a\r\n"]);
  assertEquals(lines, [
    "C→A command: STARTTLS",
    "C⇄A TLSv1.3",
    "C→A command secret: EHLO c",
    "A→C reply secret: 250 a",
  ]);
});
