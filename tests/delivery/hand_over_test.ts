import { assertEquals, assertMatch } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { mxRoute, RelayWorld } from "./relay_world.ts";
import { latin1 } from "./scripted_peer.ts";

const RELAYED = ["0 relayed 250 2.0.0 taken"];
const EIGHT = { entry: { body: "8BITMIME" }, head: "Subject: hi\r\n", body: "naïve\r\n" } as const;
const UTF8 = ["PIPELINING", "8BITMIME", "SMTPUTF8"];
const PLAIN = ["PIPELINING", "8BITMIME"];

/** One delivery to `mx1` alone, and what it took. */
async function hand(extensions: readonly string[], setup = {}, route = mxRoute()) {
  await using world = new RelayWorld();
  world.own.resolver.set("example.org", { mx: ["10 mx1.example.org"] });
  const peer = await world.peer({ extensions });
  const outcomes = await world.relay(setup, route);
  return { outcomes: outcomes.sort(), peer, messages: peer.messages };
}

Deno.test("handOver() sends 8-bit mail as it is where the peer takes it", async () => {
  const { outcomes, messages } = await hand(["8BITMIME"], EIGHT);
  assertEquals(outcomes, RELAYED);
  assertEquals(messages[0]!.mail, "<alice@example.com> BODY=8BITMIME");
  assertEquals(messages[0]!.text, `Subject: hi\r\n\r\n${latin1(encode("naïve\r\n"))}`);
});

Deno.test("handOver() converts 8-bit mail where the peer takes none", async () => {
  const setup = {
    ...EIGHT,
    body: `A long line of plain words, and then one that is naïve.\r\n`,
    head: "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
      "Content-Transfer-Encoding: 8bit\r\n",
  };
  const { outcomes, messages } = await hand(["PIPELINING"], setup);
  assertEquals(outcomes, RELAYED);
  assertEquals(messages[0]!.mail, "<alice@example.com>");
  // deno-lint-ignore no-control-regex
  assertMatch(messages[0]!.text, /^[\x00-\x7f]*$/);
  assertMatch(messages[0]!.text, /Content-Transfer-Encoding: quoted-printable\r\n/);
  assertMatch(messages[0]!.text, /\r\n\r\nA long .* na=C3=AFve\.\r\n$/);
});

Deno.test("handOver() bounces 8-bit mail with 5.6.3 where the route says so", async () => {
  const { outcomes, peer } = await hand(["PIPELINING"], EIGHT, mxRoute({ eightBit: "bounce" }));
  assertMatch(outcomes[0]!, /^0 failed 554 5\.6\.3 /);
  assertEquals(peer.said("MAIL").length, 0);
});

Deno.test("handOver() sends what is only said to be 8-bit to anybody", async () => {
  const setup = { ...EIGHT, body: "plain\r\n" };
  const { outcomes, messages } = await hand([], setup, mxRoute({ eightBit: "bounce" }));
  assertEquals(outcomes, RELAYED);
  assertEquals(messages[0]!.mail, "<alice@example.com>");
});

Deno.test("handOver() sends binary mail by BDAT only, else re-encodes it", async () => {
  const entry = { body: "BINARYMIME" } as const;
  const head = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n" +
    "Content-Transfer-Encoding: binary\r\n";
  const body = Uint8Array.from({ length: 512 }, (_, index) => index & 0xff);
  const chunked = await hand(["PIPELINING", "CHUNKING", "BINARYMIME"], { entry, head, body });
  assertEquals(chunked.outcomes, RELAYED);
  assertEquals(chunked.messages[0]!.mail, "<alice@example.com> BODY=BINARYMIME");
  assertEquals(chunked.messages[0]!.text, `${head}\r\n${latin1(body)}`);

  for (const extensions of [["8BITMIME"], ["BINARYMIME", "8BITMIME"], ["CHUNKING"]]) {
    const { outcomes, messages } = await hand(extensions, { entry, head, body });
    assertEquals(outcomes, RELAYED);
    const [, encoded] = messages[0]!.text.split("\r\n\r\n");
    assertEquals(latin1(Uint8Array.fromBase64(encoded!.replace(/\s/g, ""))), latin1(body));
  }
});

Deno.test("handOver() says domains in A-labels to peers without SMTPUTF8", async () => {
  const setup = { from: "a@bücher.example", to: ["bob@example.org"] };
  const { messages } = await hand(PLAIN, setup);
  assertEquals(messages[0]!.mail, "<a@xn--bcher-kva.example>");
});

Deno.test("handOver() bounces addresses beyond ASCII with 5.6.7, recipients each on their own", async () => {
  const entry = { smtputf8: true };
  const to = ["bob@example.org", "用户@example.org"];
  const taken = await hand(UTF8, { entry, to });
  assertEquals(taken.outcomes, [...RELAYED, "1 relayed 250 2.0.0 taken"]);
  assertMatch(taken.messages[0]!.mail, /SMTPUTF8/);
  assertEquals(taken.messages[0]!.rcpt[1], "<用户@example.org>");

  const { outcomes, messages } = await hand(PLAIN, { entry, to });
  assertEquals(outcomes[0], RELAYED[0]);
  assertMatch(outcomes[1]!, /^1 failed 553 5\.6\.7 /);
  assertEquals(messages[0]!.mail, "<alice@example.com>");

  const sender = await hand(PLAIN, { entry, from: "用户@example.com" });
  assertMatch(sender.outcomes[0]!, /^0 failed 553 5\.6\.7 /);
  assertEquals(sender.peer.said("MAIL").length, 0);
});

Deno.test("handOver() bounces a head beyond ASCII with 5.6.9, and sends plain ones to anybody", async () => {
  const entry = { smtputf8: true };
  const { outcomes } = await hand(PLAIN, { entry, head: "Subject: 你好\r\n" });
  assertMatch(outcomes[0]!, /^0 failed 554 5\.6\.9 /);
  assertEquals((await hand(PLAIN, { entry })).outcomes, RELAYED);
});

Deno.test("handOver() asks the next host when the first cannot take the message", async () => {
  await using world = new RelayWorld();
  await world.peer({ extensions: [] });
  const better = await world.peer({ extensions: UTF8 }, "192.0.2.26");
  const outcomes = await world.relay({ entry: { smtputf8: true }, to: ["用户@example.org"] });
  assertEquals(outcomes, RELAYED);
  assertEquals(better.messages.length, 1);
});

Deno.test("handOver() does not send what is larger than the peer takes", async () => {
  const { outcomes, peer } = await hand(["SIZE 10"]);
  assertMatch(outcomes[0]!, /^0 failed 552 5\.3\.4 /);
  assertEquals(peer.said("MAIL").length, 0);
  // Subject: hi, the empty line, Hello.: 13 + 2 + 8 octets (RFC 1870 §6.1)
  assertEquals((await hand(["SIZE 23"])).messages[0]!.mail, "<alice@example.com> SIZE=23");
  assertEquals((await hand(["SIZE 22"])).outcomes[0]!.slice(0, 8), "0 failed");
  assertEquals((await hand(["SIZE 0"])).outcomes, RELAYED);
});

Deno.test("handOver() keeps to the limits of domains in a transaction", async () => {
  const to = ["a@example.org", "b@sub.example.org", "c@example.org"];
  const { outcomes, messages } = await hand(["LIMITS RCPTDOMAINMAX=1"], { to });
  assertEquals(outcomes.length, 3);
  assertEquals(messages.map(({ rcpt }) => rcpt), [
    ["<a@example.org>", "<c@example.org>"],
    ["<b@sub.example.org>"],
  ]);
});

Deno.test("handOver() asks for SMTPUTF8 itself where an alias leads to an address that needs it", async () => {
  const { outcomes, messages } = await hand(UTF8, { to: ["用户@example.org"] });
  assertEquals(outcomes, RELAYED);
  assertEquals(messages[0]!.mail, "<alice@example.com> SMTPUTF8");
  assertEquals(messages[0]!.rcpt, ["<用户@example.org>"]);
});
