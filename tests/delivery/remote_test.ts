import { assertEquals, assertMatch } from "@std/assert";
import { mxRoute, RelayWorld } from "./relay_world.ts";

Deno.test("remoteTransport() relays a message, and says who took it", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const [outcome] = await world.relayed();
  assertEquals(outcome, {
    recipient: 0,
    status: "relayed",
    reply: { code: 250, enhanced: "2.0.0", lines: ["taken"] },
    host: "mx1.example.org [192.0.2.25]:25",
  });
  assertEquals(peer.messages, [{
    mail: "<alice@example.com> BODY=7BIT",
    rcpt: ["<bob@example.org>"],
    text: "Subject: hi\r\n\r\nHello.\r\n",
    tls: false,
  }]);
  assertEquals(peer.lines[0], "EHLO mail.example.net");
});
