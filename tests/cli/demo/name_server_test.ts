import { assertEquals } from "@std/assert";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AnsweredQuestion, NameServer } from "../../../src/cli/demo/name_server.ts";
import { decodeDnsMessage, encodeDnsQuery, RCODE } from "../../../src/runtime/dns_message.ts";

Deno.test("NameServer answers what it knows, and tells what it was asked", async () => {
  const asked: AnsweredQuestion[] = [];
  const names = { "b.example": { mx: ["10 mx.b.example"] }, "mx.b.example": { a: ["127.0.0.1"] } };
  await using server = await NameServer.start(names, (question) => void asked.push(question));
  const port = Number(server.address.split(":")[1]);
  const socket = createSocket("udp4");
  try {
    const ask = async (octets: Uint8Array) => {
      socket.send(octets, port, "127.0.0.1");
      const [answer] = await once(socket, "message") as [Uint8Array];
      return decodeDnsMessage(answer)!;
    };
    const mx = await ask(encodeDnsQuery(1, "B.example", "MX"));
    assertEquals(mx.answers.map(({ data }) => data), [
      { type: "MX", preference: 10, exchange: "mx.b.example" },
    ]);
    assertEquals((await ask(encodeDnsQuery(2, "mx.b.example", "AAAA"))).rcode, RCODE.noError);
    // Noise is not answered, and does no harm.
    socket.send(new Uint8Array([1, 2, 3]), port, "127.0.0.1");
    assertEquals((await ask(encodeDnsQuery(3, "c.example", "A"))).rcode, RCODE.nameError);
    assertEquals(asked, [
      { name: "B.example", type: "MX", answers: ["10 mx.b.example"] },
      { name: "mx.b.example", type: "AAAA", answers: [] },
      { name: "c.example", type: "A", answers: [] },
    ]);
  } finally {
    socket.close();
    await once(socket, "close");
  }
});
