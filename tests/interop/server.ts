/**
 * The server under test, started as its operator starts it: a process of its own, on ports the system
 * chose, watched through its log of JSON lines.
 *
 * `TEST_COMMAND` (words parted by blanks) starts another build instead of the sources, such as a
 * compiled binary.
 *
 * @module
 */

import { AssertionError } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { addUser as addUserTo } from "../../src/directory/users_edit.ts";
import type { MtaEvent } from "../../src/events.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { writeConfig } from "../support/config.ts";
import {
  assertEnded,
  findTool,
  makeTemporaryFolder,
  type Ran,
  run,
  type TemporaryFolder,
} from "./support.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** How long it may take to start and to stop, in milliseconds: generous, as machines are busy. */
const LIMIT = 60_000;

/** Where a listener listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as most clients take it. */
  readonly address: string;
}

/** A running server. Going out of scope it is stopped, and fails if it met a fault of its own. */
export interface Server extends AsyncDisposable {
  /** Its temporary folder: mail lies in `mail/DOMAIN/USER`. */
  readonly folder: TemporaryFolder;
  /** Its process. */
  readonly pid: number;
  /** All it logged so far. */
  readonly events: readonly MtaEvent[];
  /** All else that it said. */
  said(): string;
  /** Where a listener listens; the first where no name is given. */
  endpoint(listener?: string): Endpoint;
  /** The Maildir of an address. */
  maildir(address: string): string;
  /** Asks it to stop (SIGINT) and gives its exit code. */
  stop(): Promise<number>;
}

/** Starts the development catcher, which takes anything for anybody. */
export async function startCatcher(): Promise<Server> {
  const folder = await makeTemporaryFolder();
  return await startCatcherIn(folder);
}

/** Starts the catcher on a folder that another may have used. */
export async function startCatcherIn(folder: TemporaryFolder): Promise<Server> {
  const words = commandLine(folder, ["dev", "--listen", "127.0.0.1:0", "--data", folder.path]);
  return await start(folder, words, 1);
}

/** Starts a task of the sources that lie in a folder. */
export async function startTask(
  folder: TemporaryFolder,
  task: string,
  ...args: string[]
): Promise<Server> {
  return await start(folder, ["deno", "task", task, ...args], 1);
}

/** What a station is started with. */
export interface StationOptions {
  /** Its name; `mx.example.test` by default. */
  readonly hostname?: string;
  /** Addresses with a mailbox, and their passwords. */
  readonly users: Readonly<Record<string, string>>;
  /** How much mail each may have, in octets. */
  readonly quota?: number;
  /** Listeners to start: `mx`, `submission`, `submissions`, `lmtp`. */
  readonly listeners: readonly string[];
  /** The names in each self-signed certificate it shows; one for its own name by default. */
  readonly certificates?: readonly (readonly string[])[];
  /** How mail for others goes, and from whom; to nobody but by these routes. */
  readonly relay?: ConfigInput["relay"];
  /** Programs that are asked about mail. */
  readonly filters?: ConfigInput["filters"];
  /** More of its configuration, once its folder is known. */
  readonly more?: (folder: TemporaryFolder) => Partial<ConfigInput>;
  /** A program in its folder that it may run. */
  readonly runs?: string;
  /** Its environment, beside what it inherits. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the real server; `lmtp-unix` among the listeners is LMTP on `lmtp.sock` in the folder. */
export async function startStation(options: StationOptions): Promise<Server> {
  const folder = await makeTemporaryFolder();
  await Deno.chmod(folder.path, 0o711); // others must get to the drop folder in it
  for (const [address, password] of Object.entries(options.users)) {
    await addUser(folder, address, password, options.quota);
  }
  const { hostname = "mx.example.test", relay = {}, filters = [] } = options;
  const certificates = [];
  for (const names of options.certificates ?? [[hostname]]) {
    certificates.push(await makeCertificate(folder, names));
  }
  const file = await writeConfig(folder.path, {
    hostname,
    listeners: options.listeners.map((name) => listener(name, folder)),
    tls: { certificates },
    ...{ relay, filters },
    ...options.more?.(folder),
  });
  const words = commandLine(folder, ["serve", "--config", file], options.runs);
  return await start(folder, words, options.listeners.length, options.env);
}

function listener(name: string, { path }: TemporaryFolder): ConfigInput["listeners"][number] {
  if (name === "lmtp-unix") return { role: "lmtp", address: `unix:${path}/lmtp.sock` };
  return { role: name as ConfigInput["listeners"][number]["role"], address: "127.0.0.1:0" };
}

/** Adds a mailbox to the users file of a folder. */
async function addUser(
  folder: TemporaryFolder,
  address: string,
  password: string,
  quota: number | undefined,
): Promise<void> {
  const { files, random } = denoRuntime();
  const at = address.lastIndexOf("@");
  await addUserTo({ files, random, path: `${folder.path}/users` }, {
    address: { local: address.slice(0, at), domain: address.slice(at + 1) },
    password,
    ...(quota === undefined ? {} : { quota: { bytes: quota } }),
  });
}

/** Runs another command of ours to its end, with what it may touch in a folder. */
export async function runCommand(
  folder: TemporaryFolder,
  args: readonly string[],
  input = "",
): Promise<Ran> {
  const [command, ...words] = commandLine(folder, args);
  return await run(command, words, { input });
}

function commandLine(
  folder: TemporaryFolder,
  args: readonly string[],
  runs?: string,
): [string, ...string[]] {
  const other = Deno.env.get("TEST_COMMAND")?.split(/\s+/) ?? [];
  if (other[0]) return [other[0], ...other.slice(1), ...args];
  return [
    "deno",
    "run",
    "--no-prompt",
    "--v8-flags=--max-semi-space-size=4",
    "--allow-net",
    `--allow-read=${folder.path},/etc/resolv.conf,/etc/passwd`,
    `--allow-write=${folder.path}`,
    "--allow-env",
    "--allow-sys=hostname,statfs,uid,gid",
    ...(runs === undefined ? [] : [`--allow-run=${folder.path}/${runs}`]),
    MAIN,
    ...args,
  ];
}

async function start(
  folder: TemporaryFolder,
  [command, ...words]: readonly [string, ...string[]],
  listeners: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const child = new Deno.Command(findTool(command), {
    args: words,
    cwd: folder.path,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const log = new Log(child);
  try {
    await log.until((events) => started(events).length === listeners);
  } catch (error) {
    kill(child, "SIGKILL");
    await child.status;
    await log.read;
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  let stopped: Promise<number> | null = null;
  const stop = () => stopped ??= stopChild(child, log);
  return {
    folder,
    pid: child.pid,
    events: log.events,
    said: () => log.text,
    endpoint: (listener) => findEndpoint(log.events, listener),
    maildir(address) {
      const at = address.lastIndexOf("@");
      return `${folder.path}/mail/${address.slice(at + 1)}/${address.slice(0, at)}`;
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await folder[Symbol.asyncDispose]();
      const fault = log.events.find(({ type }) => type === "internal.error");
      if (fault !== undefined) throw new AssertionError(`the server met ${JSON.stringify(fault)}`);
    },
  };
}

function started(events: readonly MtaEvent[]) {
  return events.filter((event) => event.type === "listener.started");
}

function findEndpoint(events: readonly MtaEvent[], listener: string | undefined): Endpoint {
  for (const event of started(events)) {
    if (listener !== undefined && event.listener !== listener) continue;
    const match = event.address.match(/^(.+):(\d+)$/);
    if (!match) continue;
    return { host: match[1] ?? "", port: Number(match[2]), address: event.address };
  }
  throw new Error(`no port of listener ${listener}`);
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended already; its exit code and its log tell.
  }
}

async function stopChild(child: Deno.ChildProcess, log: Log): Promise<number> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill(child, "SIGKILL");
  }, LIMIT);
  kill(child, "SIGINT");
  const { code } = await child.status;
  clearTimeout(timer);
  await log.read;
  if (late) throw new AssertionError(`the server did not stop; its log:\n${log.text}`);
  return code;
}

/** The log of a server, as it comes. */
class Log {
  readonly events: MtaEvent[] = [];
  /** All that was written that is no event, and standard error. */
  text = "";
  /** Resolves when both outputs have ended. */
  readonly read: Promise<void>;
  #ended = false;
  #wake: () => void = () => {};

  constructor(child: Deno.ChildProcess) {
    this.read = Promise.all([
      this.#lines(child.stdout, (line) => this.#take(line)),
      this.#lines(child.stderr, (line) => this.text += `${line}\n`),
    ]).then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Resolves when the events satisfy `enough`. */
  async until(enough: (events: readonly MtaEvent[]) => boolean): Promise<void> {
    const deadline = Date.now() + LIMIT;
    while (!enough(this.events)) {
      if (this.#ended || Date.now() > deadline) {
        throw new Error(`the server did not start; its log:\n${this.text}`);
      }
      await this.#change(deadline - Date.now());
    }
  }

  #change(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #lines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line);
    }
    if (rest !== "") take(rest);
  }

  #take(line: string): void {
    try {
      this.events.push(JSON.parse(line));
    } catch {
      this.text += `${line}\n`;
    }
    this.#wake();
  }
}

/** Paths of a certificate and its key, both PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Makes a self-signed certificate for some names, and for 127.0.0.1, with openssl; the files are named after
 * the first.
 */
export async function makeCertificate(
  folder: TemporaryFolder,
  names: readonly string[],
): Promise<CertificateFiles> {
  const certificate = `${folder.path}/${names[0]}.crt`;
  const key = `${folder.path}/${names[0]}.key`;
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  args.push("-days", "2", "-subj", `/CN=${names[0]}`, "-keyout", key, "-out", certificate);
  const alternatives = [...names.map((name) => `DNS:${name}`), "IP:127.0.0.1"];
  args.push("-addext", "basicConstraints=critical,CA:FALSE");
  args.push("-addext", `subjectAltName=${alternatives.join(",")}`);
  assertEnded(await run("openssl", args));
  return { certificate, key };
}
