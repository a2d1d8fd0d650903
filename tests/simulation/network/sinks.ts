/**
 * The mail servers of others: an SMTP server and an LMTP server that take mail, and now and then, when the weather
 * is rude, put it off, hang up, fall silent, or take a mail and do not say so. Written on their own, so that what
 * our client and our server have in common does not go unseen.
 *
 * @module
 */

import type { MemoryRandom } from "../../../src/runtime/memory_random.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection } from "../../../src/runtime/network.ts";
import type { Faults } from "./faults.ts";
import type { Journal } from "./journal.ts";
import { type Found, identify } from "./mail.ts";
import { MACHINES } from "./places.ts";
import { LineDown, Wire } from "./wire.ts";

const MINUTE = 60_000;

/** A server, and what it took. */
export class Sink {
  /** By address. */
  readonly mailboxes = new Map<string, Found[]>();
  /** Open connections. */
  open = 0;
  readonly #machine: MemoryRuntime;

  constructor(
    readonly name: "sink" | "lmtp",
    readonly random: MemoryRandom,
    readonly rude: number,
    readonly faults: Faults,
    readonly journal: Journal,
    hub: MemoryRuntime,
  ) {
    this.#machine = memoryRuntime({ address: MACHINES[name], beside: hub });
  }

  /** Listens; gives what ends it. */
  async start(): Promise<() => void> {
    const port = this.name === "lmtp" ? 24 : 25;
    const { network, clock } = this.#machine;
    const listener = await network.listen({ transport: "tcp", hostname: "0.0.0.0", port });
    (async () => {
      for (let socket: Connection | null; (socket = await listener.accept()) !== null;) {
        const connection = socket;
        this.open++;
        new SinkSession(this, new Wire(connection, clock, 20 * MINUTE)).serve()
          .catch((error) => {
            if (!(error instanceof LineDown)) throw error;
          })
          .finally(() => {
            connection.close();
            this.open--;
          });
      }
    })();
    return () => listener.close();
  }

  /** Keeps a mail that was taken. */
  keep(recipients: readonly string[], text: string): void {
    const found = identify(Uint8Array.from(text, (char) => char.charCodeAt(0)));
    for (const recipient of recipients) {
      const mails = this.mailboxes.get(recipient) ?? [];
      mails.push(found);
      this.mailboxes.set(recipient, mails);
    }
  }
}

class SinkSession {
  readonly #sink: Sink;
  readonly #wire: Wire;
  /** Of the transaction; `null` where none is open. */
  #recipients: string[] | null = null;

  constructor(sink: Sink, wire: Wire) {
    this.#sink = sink;
    this.#wire = wire;
  }

  async serve(): Promise<void> {
    const rudeness = this.#rudeness("greeting");
    if (rudeness !== null) return await this.#be(rudeness, ["421 4.3.2 not now", "554 5.3.2 no"]);
    await this.#wire.say("220 mx.sink.test ESMTP\r\n");
    for (;;) {
      const line = await this.#wire.line();
      const verb = line.split(" ")[0]!.toUpperCase();
      if (verb === "QUIT") return await this.#wire.say("221 2.0.0 bye\r\n");
      const rude = this.#rudeness(verb);
      if (rude === "answer" && verb !== "EHLO") {
        await this.#wire.say("451 4.3.0 later\r\n");
        continue;
      }
      if (rude !== null) return await this.#be(rude, ["421 4.3.0 later"]);
      await this.#handle(verb, line);
    }
  }

  async #handle(verb: string, line: string): Promise<void> {
    const wire = this.#wire;
    switch (verb) {
      case "EHLO":
      case "LHLO":
        return await wire.say(
          "250-mx.sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n",
        );
      case "MAIL":
        this.#recipients = [];
        return await wire.say("250 2.1.0 ok\r\n");
      case "RCPT": {
        const address = /<(.*?)>/.exec(line)![1]!;
        if (this.#recipients === null) return await wire.say("503 5.5.1 from whom?\r\n");
        if (address.startsWith("no@")) return await wire.say("550 5.1.1 nobody of that name\r\n");
        this.#recipients.push(address);
        return await wire.say("250 2.1.5 ok\r\n");
      }
      case "DATA":
        if (!this.#recipients?.length) return await wire.say("503 5.5.1 for whom?\r\n");
        await wire.say("354 go on\r\n");
        return await this.#take(this.#recipients, await wire.text());
      case "RSET":
        this.#recipients = null;
        return await wire.say("250 2.0.0 ok\r\n");
      default:
        return await wire.say("250 2.0.0 ok\r\n");
    }
  }

  async #take(recipients: readonly string[], text: string): Promise<void> {
    this.#recipients = null;
    const groups = this.#sink.name === "lmtp" ? recipients.map((one) => [one]) : [recipients];
    for (const group of groups) {
      const rude = this.#rudeness("the end");
      if (rude === "answer") {
        await this.#wire.say("452 4.2.2 full\r\n");
        continue;
      }
      // Taken, and whether the other side hears of it is another matter.
      this.#sink.keep(group, text);
      if (rude !== null) return await this.#be(rude, []);
      await this.#wire.say("250 2.0.0 taken\r\n");
    }
  }

  /** In which way it is rude now. */
  #rudeness(
    where: string,
  ): "answer" | "hangs up" | "falls silent" | "half-closes" | "is slow" | null {
    const { faults, random, rude, journal, name } = this.#sink;
    if (!faults.happens(rude / 3)) return null;
    const ways = [
      "answer",
      "answer",
      "answer",
      "hangs up",
      "falls silent",
      "half-closes",
      "is slow",
    ] as const;
    const way = ways[random.below(ways.length)]!;
    journal.trouble(`server ${way}`, name, { where });
    return way;
  }

  /** @throws {LineDown} at the end, whatever it does. */
  async #be(
    way: "answer" | "hangs up" | "falls silent" | "half-closes" | "is slow",
    answers: string[],
  ): Promise<void> {
    const wire = this.#wire;
    const { random } = this.#sink;
    if (way === "answer" && answers.length > 0) {
      await wire.say(`${answers[random.below(answers.length)]}\r\n`);
    }
    if (way === "is slow") await wire.clock.sleep(random.below(15 * MINUTE));
    if (way === "half-closes") await wire.connection.closeWrite();
    if (way === "half-closes" || way === "falls silent") { for (;;) await wire.line(); }
    throw new LineDown(way);
  }
}
