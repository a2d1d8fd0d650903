/**
 * The server of a soak: `yizhan serve` as its operator runs it, in a process of its own, with its vital signs.
 *
 * @module
 */

import type { ConfigInput } from "../../src/config/schema.ts";
import { Site } from "../cli/site.ts";
import { toPort } from "../support/config.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** Events that tell of a fault. */
const ALARMING: ReadonlySet<string> = new Set([
  "internal.error",
  "queue.damaged",
  "station.reload-failed",
]);

/** What a process holds. */
export interface VitalSigns {
  /** Octets of memory that are its own: resident, less what is shared with files. */
  readonly memory: number;
  /** Open files and sockets. */
  readonly handles: number;
  /** Threads. */
  readonly threads: number;
}

/** Where a server of a soak takes mail. */
export interface SoakPorts {
  /** Of `[::1]`, for those whom limits against abuse are not for. */
  readonly mx: number;
  /** Of `127.0.0.1`, for those whom they are for. */
  readonly strangers: number;
  /** Of `127.0.0.1`, for those who log in. */
  readonly submission: number;
}

/** What it is to be like. */
export interface SoakServerOptions {
  /** Where everything else goes. */
  readonly smarthost: number;
  /** A folder for mailboxes and queue. */
  readonly data: string;
  readonly workers: number;
}

/** A server that runs. */
export class SoakServer implements AsyncDisposable {
  readonly #site: Site;
  readonly #options: SoakServerOptions;
  readonly #child: Deno.ChildProcess;
  readonly #outputs: Promise<unknown>;
  readonly #wakers: { pattern: RegExp; found: (line: string) => void }[] = [];
  /** How often each event was told of. */
  readonly events: Map<string, number> = new Map();
  /** Events that should not be, as they were told. */
  readonly alarms: string[] = [];
  /** What it said to its operator. */
  stderr = "";
  #reloads = 0;
  /** Where it takes mail. */
  ports: SoakPorts = { mx: 0, strangers: 0, submission: 0 };

  private constructor(site: Site, options: SoakServerOptions) {
    this.#site = site;
    this.#options = options;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", "-A", MAIN, ...site.words, "--json"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#outputs = Promise.all([
      eachLine(this.#child.stdout, (line) => this.#count(line)),
      eachLine(this.#child.stderr, (line) => this.#said(line)),
    ]);
  }

  /** Starts it; resolves when it listens. */
  static async start(options: SoakServerOptions): Promise<SoakServer> {
    const site = await Site.make();
    for (const name of ["bob", "carol", "dave"]) await site.addUser(name);
    await site.configure(configOf(options, 0));
    const server = new SoakServer(site, options);
    const lines = await Promise.all([0, 1, 2].map(() => server.#line(/^ {2}\S+ on /)));
    const ports = lines.map((line) => Number(/:(\d+)$/.exec(line)![1]));
    const [mx, strangers, submission] = ports;
    server.ports = { mx: mx!, strangers: strangers!, submission: submission! };
    return server;
  }

  /** What it holds now. */
  signs(): VitalSigns {
    const { pid } = this.#child;
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const number = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    return {
      memory: (number("VmRSS") - number("RssFile") - number("RssShmem")) * 1024,
      handles: Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).length,
      threads: number("Threads"),
    };
  }

  /** Another configuration comes into force. */
  async reload(): Promise<void> {
    await this.#site.configure(configOf(this.#options, ++this.#reloads));
    const done = this.#line(/reloaded|cannot|refused/i);
    this.#child.kill("SIGHUP");
    await done;
  }

  /** How often it was given another configuration. */
  get reloads(): number {
    return this.#reloads;
  }

  /** How many messages wait. */
  async queued(): Promise<number> {
    const { stdout } = await this.#site.run(["queue", "list", "--json"]);
    return stdout.split("\n").filter((line) => line.startsWith("{")).length;
  }

  /** Has what waits tried now. */
  async retry(): Promise<void> {
    await this.#site.run(["queue", "retry", "--all"]);
  }

  /** Ends it in order; its exit code. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    const { code } = await this.#child.status;
    await this.#outputs;
    return code;
  }

  /** The next line it says to its operator that matches. */
  #line(pattern: RegExp): Promise<string> {
    return Promise.race([
      new Promise<string>((found) => this.#wakers.push({ pattern, found })),
      this.#outputs.then(() => {
        throw new Error(`the server has ended:\n${this.stderr}`);
      }),
    ]);
  }

  #said(line: string): void {
    // A soak may be long: the last of it is enough.
    this.stderr = `${this.stderr}${line}\n`.slice(-20_000);
    const index = this.#wakers.findIndex(({ pattern }) => pattern.test(line));
    if (index >= 0) this.#wakers.splice(index, 1)[0]!.found(line);
  }

  #count(line: string): void {
    const type = /"type":"([\w.-]+)"/.exec(line)?.[1] ?? "no event";
    this.events.set(type, (this.events.get(type) ?? 0) + 1);
    // That the disk is full at times is a part of the soak.
    if (!ALARMING.has(type) || /No space left|ENOSPC/.test(line)) return;
    if (this.alarms.length < 20) this.alarms.push(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#outputs;
    await this.#site[Symbol.asyncDispose]();
  }
}

/** Each reload has something else in it. */
function configOf(
  { smarthost, data, workers }: SoakServerOptions,
  round: number,
): Partial<ConfigInput> {
  return {
    data,
    workers,
    listeners: [
      { role: "mx", address: "[::1]:0", banner: `ESMTP round ${round}` },
      { role: "mx", name: "strangers", address: "127.0.0.1:0" },
      { role: "submission", address: "127.0.0.1:0" },
    ],
    tls: { certificates: [{ certificate: "mx.crt", key: "mx.key" }] },
    limits: {
      connectionsPerClient: 2000 + round,
      messageSize: "4M",
      timeouts: { command: "20s", data: "10s", handshake: "5s" },
    },
    abuse: {
      exempt: ["::1/128"],
      // Strangers are banned again and again, and come back.
      bans: {
        logins: "5/1m",
        recipients: "20/1m",
        faults: "3/1m",
        first: "2s",
        longest: "8s",
        memory: "10s",
      },
      rates: { connections: { client: "60/10s", network: "100/10s" } },
      tarpit: { after: 2, first: "100ms", longest: "2s", sessions: 5 },
      loginBackoff: { first: "100ms", longest: "1s" },
      greylisting: { enabled: true, delay: "1s", window: "1m" },
      senderDomain: { enabled: false },
    },
    relay: {
      routes: [{ ...toPort(smarthost), domains: ["remote.test", "elsewhere.test"], accept: true }],
    },
    queue: {
      retry: { first: "3s", factor: 1.2, longest: "15s", lifetime: "1d", delayNotice: null },
    },
  };
}

async function eachLine(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (
    const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  }
}
