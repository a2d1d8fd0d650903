/**
 * How much memory the server takes under those who would have it take much, read from `/proc` of the
 * running server.
 *
 * @module
 */

import { assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import { type Endpoint, startCatcher } from "./server.ts";
import { interopTest } from "./support.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const encoder = new TextEncoder();

/** One conversation, as plain as can be. */
class Client {
  readonly #buffer = new Uint8Array(1024);

  private constructor(readonly connection: Deno.TcpConn) {}

  static async connect({ host: hostname, port }: Endpoint): Promise<Client> {
    const client = new Client(await Deno.connect({ hostname, port }));
    await client.reply();
    await client.say("EHLO client.example\r\n");
    return client;
  }

  /** Writes all of it. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
  }

  /** Sends a command; gives the first digit of the reply. */
  async say(text: string): Promise<string> {
    await this.send(encoder.encode(text));
    return await this.reply();
  }

  async reply(): Promise<string> {
    const length = await this.connection.read(this.#buffer);
    return length === null ? "" : String.fromCharCode(this.#buffer[0]!);
  }

  /** Until the server waits for the text. */
  async begin(user: string): Promise<void> {
    await this.say("MAIL FROM:<a@client.example>\r\n");
    await this.say(`RCPT TO:<${user}@example.test>\r\n`);
    assertEquals(await this.say("DATA\r\n"), "3");
    await this.send(encoder.encode("Subject: big\r\n\r\n"));
  }
}

/** A line of `/proc/PID/status` in octets: `VmRSS`, or `VmHWM` for the highest it was. */
function memory(pid: number, line: "VmRSS" | "VmHWM"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`^${line}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * KIB;
}

function say(what: string, octets: number, unit: "KiB" | "MiB"): void {
  console.log(`    ${what}: ${(octets / (unit === "KiB" ? KIB : MIB)).toFixed(1)} ${unit}`);
}

const TEXT = encoder.encode(`${"x".repeat(76)}\r\n`.repeat(840)); // 64 KiB

interopTest("5,000 idle connections stay open and served, at 16 KiB each at most", [], async () => {
  await using server = await startCatcher();
  const endpoint = server.endpoint();
  const warm = await Promise.all(Array.from({ length: 1000 }, () => Client.connect(endpoint)));
  const before = memory(server.pid, "VmRSS");
  const clients: Client[] = [];
  while (clients.length < 4000) {
    const group = Array.from({ length: 100 }, () => Client.connect(endpoint));
    clients.push(...await Promise.all(group));
  }
  const each = (memory(server.pid, "VmRSS") - before) / clients.length;
  say("an idle connection", each, "KiB");
  const all = [...warm, ...clients];
  assertEquals(all.length, 5000);
  for (const client of all) assertEquals(await client.say("NOOP\r\n"), "2");
  for (const { connection } of all) connection.close();
  assertLessOrEqual(each, 16 * KIB);
});

interopTest("20 clients that send 50 MB each keep the server under 300 MB", [], async () => {
  await using server = await startCatcher();
  const endpoint = server.endpoint();
  const rounds = Math.floor(50_000_000 / TEXT.length);
  await Promise.all(Array.from({ length: 20 }, async (_, index) => {
    const client = await Client.connect(endpoint);
    await client.begin(`big${index}`);
    for (let round = 0; round < rounds; round++) await client.send(TEXT);
    assertEquals(await client.say(".\r\n"), "2");
    client.connection.close();
  }));
  const highest = memory(server.pid, "VmHWM");
  say("at its highest", highest, "MiB");
  assertLess(highest, 300_000_000);
});

interopTest(
  "2,000 slow clients that send 200 KB each at once keep the server under 300 MB",
  [],
  async () => {
    await using server = await startCatcher();
    const endpoint = server.endpoint();
    const clients: Client[] = [];
    while (clients.length < 2000) {
      const group = await Promise.all(
        Array.from({ length: 100 }, () => Client.connect(endpoint)),
      );
      await Promise.all(group.map((client, index) => client.begin(`slow${index}`)));
      clients.push(...group);
    }
    const piece = TEXT.subarray(0, 78 * 128); // 10 KB, twenty times
    for (let round = 0; round < 20; round++) {
      await Promise.all(clients.map((client) => client.send(piece)));
    }
    const ends = await Promise.all(clients.map((client) => client.say(".\r\n")));
    assertEquals(new Set(ends), new Set(["2"]));
    for (const { connection } of clients) connection.close();
    const highest = memory(server.pid, "VmHWM");
    say("at its highest", highest, "MiB");
    assertLess(highest, 300_000_000);
  },
);
