/**
 * Clients that send numbered mails: over SMTP, line by line or pipelined, by DATA or BDAT, from a network that may
 * relay or from anywhere; or as a program of the machine. They come back with what was not taken, as a mail server
 * would. When the weather is rude they go away in the midst of a mail, or close their direction before the answer.
 *
 * @module
 */

import { SubmitError } from "../../../src/intake/submit.ts";
import type { MemoryRandom } from "../../../src/runtime/memory_random.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { latin1 } from "../../delivery/scripted_peer.ts";
import { concat, encode } from "../../../src/bytes.ts";
import type { Faults } from "./faults.ts";
import type { Journal } from "./journal.ts";
import type { Offered, Sending } from "./ledger.ts";
import { drawMail, type NumberedMail } from "./mail.ts";
import { MACHINES, RECIPIENTS, SENDERS } from "./places.ts";
import type { SimulatedStation } from "./station.ts";
import { drawWeighted, type Weather } from "./weather.ts";
import { LineDown, Wire } from "./wire.ts";

const MINUTE = 60_000;
/** Times that a mail is sent before its client gives it up. */
const TRIES = 4;

const NOTIFY = [
  [12, null],
  [1, "NEVER"],
  [1, "FAILURE"],
  [2, "SUCCESS,FAILURE"],
  [1, "SUCCESS"],
  [1, "DELAY"],
] as const;

/** All clients of a seed. */
export class Clients {
  /** Every time that a mail was sent, or begun. */
  readonly sendings: Sending[] = [];
  readonly #machines: readonly MemoryRuntime[];

  constructor(
    readonly hub: MemoryRuntime,
    readonly random: MemoryRandom,
    readonly weather: Weather,
    readonly faults: Faults,
    readonly journal: Journal,
    readonly stations: readonly SimulatedStation[],
  ) {
    // Who may relay, and who may not.
    this.#machines = ["198.51.100.7", "198.51.100.200"].map((address) =>
      memoryRuntime({ address, beside: hub })
    );
  }

  /** Sends all mails of the seed, at their times; resolves when each is taken, refused for good or given up. */
  async sendAll(): Promise<void> {
    const { random, weather, hub } = this;
    const work: Promise<void>[] = [];
    for (let number = 1; number <= weather.mails; number++) {
      const at = random.below(weather.length * 0.9);
      const own = random.fork();
      work.push(hub.clock.sleep(at).then(() => this.#sendUntilTaken(number, own)));
    }
    await Promise.all(work);
  }

  async #sendUntilTaken(number: number, random: MemoryRandom): Promise<void> {
    const sender = drawWeighted(random, SENDERS);
    const count = random.below(3) === 0 ? 1 + random.below(5) : 1;
    const addresses = new Set(
      Array.from({ length: count }, () => drawWeighted(random, RECIPIENTS)),
    );
    let offered: Offered[] = [...addresses].map((address) => ({
      address,
      notify: drawWeighted(random, NOTIFY),
    }));
    const eightBit = random.below(2) === 0;
    const station = this.stations[random.below(this.stations.length)]!;
    const way = random.below(5);
    for (let time = 1; time <= TRIES && offered.length > 0; time++) {
      const mail = drawMail(random, `${number}.${time}`, eightBit);
      const sending: Sending = { id: mail.id, sender, offered, taken: offered, fate: "unsent" };
      this.sendings.push(sending);
      if (way === 0) await this.#submit(station, mail, sending);
      else await this.#send(station, mail, sending, this.#machines[way === 1 ? 1 : 0]!, random);
      this.journal.note("client", `${mail.id} ${sending.fate}`, {
        to: station.name,
        sender,
        taken: sending.taken.map(({ address }) => address),
      });
      if (sending.fate === "acknowledged") {
        const taken = sending.taken;
        // The others again: what was refused for good will be so again, which does no harm.
        offered = offered.filter((one) => !taken.includes(one));
      }
      await this.hub.clock.sleep(MINUTE + random.below(20 * MINUTE));
    }
  }

  /** As a program of the machine. */
  async #submit(station: SimulatedStation, mail: NumberedMail, sending: Sending): Promise<void> {
    const { mta, machine } = station;
    if (mta === null) return;
    const recipients = sending.offered.map(({ address, notify }) => ({
      address,
      ...(notify !== null && { notify: notify.split(",") as ("NEVER" | "SUCCESS")[] }),
    }));
    sending.fate = "unknown";
    // The program dies with its machine.
    const gone = Promise.withResolvers<null>();
    const watch = new AbortController();
    this.hub.clock.sleep(30 * MINUTE, watch.signal).then(() => gone.resolve(null), () => {});
    try {
      const submitting = mta.submit({ sender: sending.sender, recipients }, mail.octets);
      const submitted = await Promise.race([submitting, gone.promise]);
      if (submitted === null || machine !== station.machine) return;
      const refused = submitted.refused.map(({ recipient }) => recipient);
      sending.taken = sending.offered.filter(({ address }) => !refused.includes(address));
      sending.fate = "acknowledged";
    } catch (error) {
      if (machine === station.machine && error instanceof SubmitError) sending.fate = "refused";
      if (error instanceof TypeError) throw error;
    } finally {
      watch.abort();
    }
  }

  async #send(
    station: SimulatedStation,
    mail: NumberedMail,
    sending: Sending,
    machine: MemoryRuntime,
    random: MemoryRandom,
  ): Promise<void> {
    const { clock } = this.hub;
    const late = new AbortController();
    const timer = new AbortController();
    clock.sleep(MINUTE, timer.signal).then(() => late.abort(), () => {});
    let connection;
    try {
      const address = { transport: "tcp", hostname: MACHINES[station.name], port: 25 } as const;
      connection = await machine.network.connect(address, { signal: late.signal });
    } catch {
      return; // nobody there
    } finally {
      timer.abort();
    }
    const wire = new Wire(connection, clock, 12 * MINUTE);
    const talk = new Talk(wire, mail, sending, {
      bdat: random.below(3) === 0,
      pipelined: random.below(2) === 0,
      leaves: this.faults.happens(this.weather.rude),
      halfCloses: this.faults.happens(this.weather.rude),
    });
    try {
      await talk.send();
    } catch (error) {
      if (!(error instanceof LineDown)) throw error;
    } finally {
      connection.close();
    }
  }
}

/** How a client sends. */
interface Manners {
  readonly bdat: boolean;
  readonly pipelined: boolean;
  /** Goes away in the midst of the mail. */
  readonly leaves: boolean;
  /** Closes its direction when all is said. */
  readonly halfCloses: boolean;
}

/** One mail over one connection. */
class Talk {
  readonly #wire: Wire;
  readonly #mail: NumberedMail;
  readonly #sending: Sending;
  readonly #manners: Manners;

  constructor(wire: Wire, mail: NumberedMail, sending: Sending, manners: Manners) {
    this.#wire = wire;
    this.#mail = mail;
    this.#sending = sending;
    this.#manners = manners;
  }

  async send(): Promise<void> {
    const wire = this.#wire;
    if (await wire.reply() !== 220) return;
    await wire.say("EHLO client.test\r\n");
    if (await wire.reply() !== 250) return;
    const end = await (this.#manners.bdat ? this.#byBdat() : this.#byData());
    if (end === null) return;
    this.#sending.fate = end === 250 ? "acknowledged" : "refused";
    if (this.#manners.halfCloses) return;
    await wire.say("QUIT\r\n");
    await wire.reply();
  }

  /** MAIL and RCPT, as lines. */
  #envelope(): string[] {
    const { sender, offered } = this.#sending;
    const body = this.#mail.eightBit ? " BODY=8BITMIME" : "";
    return [
      `MAIL FROM:<${sender ?? ""}>${body}\r\n`,
      ...offered.map(({ address, notify }) =>
        `RCPT TO:<${address}>${notify === null ? "" : ` NOTIFY=${notify}`}\r\n`
      ),
    ];
  }

  /** The answers to the envelope; whether anybody is taken. */
  async #heard(before: (at: number) => Promise<void>): Promise<boolean> {
    const { offered } = this.#sending;
    await before(0);
    const mail = await this.#wire.reply();
    const taken: Offered[] = [];
    for (let at = 0; at < offered.length; at++) {
      await before(at + 1);
      if (await this.#wire.reply() === 250) taken.push(offered[at]!);
    }
    this.#sending.taken = taken;
    if (mail !== 250 || taken.length === 0) this.#sending.fate = "refused";
    return mail === 250 && taken.length > 0;
  }

  /** The answer to the end; `null` where it was not said. */
  async #byData(): Promise<number | null> {
    const wire = this.#wire;
    const lines = this.#envelope();
    if (this.#manners.pipelined) await wire.say(`${lines.join("")}DATA\r\n`);
    const step = this.#manners.pipelined ? async () => {} : (at: number) => wire.say(lines[at]!);
    const anybody = await this.#heard(step);
    if (!this.#manners.pipelined) {
      if (!anybody) return null;
      await wire.say("DATA\r\n");
    }
    const go = await wire.reply();
    if (go !== 354) {
      this.#sending.fate = "refused";
      return null;
    }
    if (!anybody) return await this.#end(encode(".\r\n"));
    const stuffed = latin1(this.#mail.octets).replaceAll("\r\n.", "\r\n..");
    const octets = Uint8Array.from(stuffed, (char) => char.charCodeAt(0));
    if (this.#manners.leaves) {
      await wire.say(octets.subarray(0, octets.length >> 1));
      return null;
    }
    return await this.#end(concat([octets, encode(".\r\n")]));
  }

  async #byBdat(): Promise<number | null> {
    const wire = this.#wire;
    const { octets } = this.#mail;
    const half = octets.length >> 1;
    const first = concat([encode(`BDAT ${half}\r\n`), octets.subarray(0, half)]);
    const rest = octets.subarray(half);
    const last = concat([encode(`BDAT ${rest.length} LAST\r\n`), rest]);
    const lines = this.#envelope();
    if (this.#manners.pipelined && !this.#manners.leaves) {
      const all = concat([encode(lines.join("")), first, last]);
      this.#sending.fate = "unknown";
      await wire.say(all);
      if (this.#manners.halfCloses) await wire.connection.closeWrite().catch(() => {});
      await this.#heard(async () => {});
      await wire.reply();
      return await wire.reply();
    }
    if (!await this.#heard((at) => wire.say(lines[at]!))) return null;
    await wire.say(first);
    if (await wire.reply() !== 250) {
      this.#sending.fate = "refused";
      return null;
    }
    if (this.#manners.leaves) {
      await wire.say(last.subarray(0, last.length - 1));
      return null;
    }
    return await this.#end(last);
  }

  /** Says the end, and hears what becomes of it. */
  async #end(octets: Uint8Array): Promise<number> {
    this.#sending.fate = "unknown";
    await this.#wire.say(octets);
    if (this.#manners.halfCloses) await this.#wire.connection.closeWrite().catch(() => {});
    return await this.#wire.reply();
  }
}
