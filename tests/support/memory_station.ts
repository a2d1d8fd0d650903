/**
 * A whole station on a machine in memory, and a client to talk to it: time is virtual, so a test of
 * five minutes' silence takes none.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import type { MtaEvent } from "../../src/events.ts";
import { type Mta, startMta } from "../../src/mta.ts";
import type { ListenerOptions, MtaOptions } from "../../src/mta_options.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection } from "../../src/runtime/network.ts";
import { mxCertificate } from "./certificates.ts";

/** What a test may say of its station; the rest is usual. */
export interface StationSetup extends Partial<Omit<MtaOptions, "runtime" | "listeners">> {
  readonly listener?: Partial<Omit<ListenerOptions, "address">>;
  readonly runtime?: MemoryRuntime;
}

/** Alice and Bob live at example.test; team@ leads to both. */
export const DIRECTORY = mapDirectory({
  accounts: {
    "alice@example.test": { password: "wonderland", sendAs: ["sales@example.test"] },
    "bob@example.test": { password: "builder" },
  },
  aliases: { "team@example.test": ["alice@example.test", "bob@example.test"] },
});

/** A station and the machine it runs on. */
export class MemoryStation {
  readonly #clients = new Map<string, MemoryRuntime>();

  private constructor(
    readonly runtime: MemoryRuntime,
    readonly mta: Mta,
    readonly events: readonly MtaEvent[],
  ) {}

  /** Starts a station at 192.0.2.25:25. */
  static async start(setup: StationSetup = {}): Promise<MemoryStation> {
    const { listener, runtime = memoryRuntime({ address: "192.0.2.25" }), ...options } = setup;
    const events: MtaEvent[] = [];
    const mta = await startMta({
      hostname: "mx.example.test",
      directory: DIRECTORY,
      delivery: { maildirRoot: "/mail" },
      certificates: [mxCertificate],
      ...options,
      runtime,
      listeners: [{
        role: "mx",
        ...listener,
        address: { transport: "tcp", hostname: "0.0.0.0", port: 25 },
      }],
      onEvent: (event) => {
        events.push(event);
        return options.onEvent?.(event);
      },
    });
    return new MemoryStation(runtime, mta, events);
  }

  /** Connects from an address of the world outside. */
  async connect(address = "198.51.100.7"): Promise<SmtpPeer> {
    const { clock } = this.runtime;
    const client = this.#clients.get(address) ?? memoryRuntime({ address, beside: this.runtime });
    this.#clients.set(address, client);
    const connecting = client.network.connect({
      transport: "tcp",
      hostname: "192.0.2.25",
      port: 25,
    });
    return new SmtpPeer(await clock.runUntil(connecting), this.runtime);
  }

  /** A client that has been greeted and has said EHLO. */
  async greeted(address?: string): Promise<SmtpPeer> {
    const peer = await this.connect(address);
    await peer.expect(220);
    await peer.say("EHLO client.example", 250);
    return peer;
  }

  /** The mails that lie in a mailbox, as text, with CRLF line ends. */
  async mailbox(name: string, domain = "example.test"): Promise<string[]> {
    const folder = `/mail/${domain}/${name}/new`;
    const { files } = this.runtime;
    if ((await files.stat(folder)) === null) return [];
    const mails: string[] = [];
    for await (const entry of files.list(folder)) {
      const text = decode(await files.readFile(`${folder}/${entry.name}`));
      mails.push(text.replace(/\r?\n/g, "\r\n"));
    }
    return mails;
  }

  /** What lies below a folder, as paths. */
  async tree(folder = "/"): Promise<string[]> {
    const paths: string[] = [];
    for await (const { name, kind } of this.runtime.files.list(folder)) {
      const path = `${folder === "/" ? "" : folder}/${name}`;
      if (kind === "directory") paths.push(...await this.tree(path));
      else paths.push(path);
    }
    return paths.sort();
  }

  /** The events of a type. */
  of<T extends MtaEvent["type"]>(type: T): Extract<MtaEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as Extract<MtaEvent, { type: T }>[];
  }

  /** Stops the station; nothing may be left asleep. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.clock.runUntil(this.mta.stop({ grace: 1000 }));
    await this.runtime.clock.settle();
    assertEquals(this.runtime.clock.sleepers, 0);
  }
}

/** The client's end of a conversation. */
export class SmtpPeer {
  #buffer = "";
  #connection: Connection;

  constructor(connection: Connection, readonly runtime: MemoryRuntime) {
    this.#connection = connection;
  }

  /** Whole replies that have come and were not asked for yet. */
  get buffered(): number {
    return this.#buffer.match(/^\d{3} .*\r\n/gm)?.length ?? 0;
  }

  /** Writes octets as they are. */
  async send(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? encode(text) : text;
    await this.runtime.clock.runUntil(this.#connection.write(bytes));
  }

  /** The next reply, with all its lines; `null` when the station has closed. */
  async reply(): Promise<string | null> {
    for (;;) {
      const whole = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#buffer);
      if (whole !== null) {
        this.#buffer = this.#buffer.slice(whole[0].length);
        return whole[0].trimEnd();
      }
      if (!(await this.#read())) return null;
    }
  }

  /** Waits for a reply of this code, and of this enhanced code where given; gives its text. */
  async expect(code: number, enhanced = ""): Promise<string> {
    const given = await this.reply();
    const wanted = enhanced === "" ? `${code}` : `${code} ${enhanced}`;
    assertEquals(given?.slice(0, wanted.length), wanted, given ?? "closed");
    return given!;
  }

  /** Sends a line and waits for its reply. */
  async say(line: string, code: number, enhanced?: string): Promise<string> {
    await this.send(`${line}\r\n`);
    return await this.expect(code, enhanced);
  }

  /** Opens a transaction for Alice, up to where the text may follow. */
  async begin(): Promise<void> {
    await this.say("MAIL FROM:<a@client.example>", 250);
    await this.say("RCPT TO:<alice@example.test>", 250);
    await this.say("DATA", 354);
  }

  /** Sends a mail within the session. */
  async mail(
    {
      sender = "a@client.example",
      to = ["alice@example.test"],
      text = "Subject: hi\r\n\r\nHello.\r\n",
    },
    code = 250,
    enhanced?: string,
  ): Promise<string> {
    await this.say(`MAIL FROM:<${sender}>`, 250);
    for (const each of to) await this.say(`RCPT TO:<${each}>`, 250);
    await this.say("DATA", 354);
    return await this.say(`${text}.`, code, enhanced);
  }

  /** Becomes secured. */
  async startTls(): Promise<void> {
    await this.say("STARTTLS", 220);
    await this.secure();
  }

  /** Only the handshake. */
  async secure(): Promise<void> {
    const handshake = this.#connection.startTlsClient({ serverName: "localhost", verify: false });
    this.#connection = await this.runtime.clock.runUntil(handshake);
  }

  /** Goes away without a word. */
  close(): void {
    this.#connection.close();
  }

  async #read(): Promise<boolean> {
    const bytes = new Uint8Array(4096);
    const reading = this.#connection.read(bytes).catch(() => null);
    const length = await this.runtime.clock.runUntil(reading);
    if (length === null) return false;
    this.#buffer += decode(bytes.subarray(0, length));
    return true;
  }
}
