/**
 * The program as its users have it: a process of its own, and a client on a bare socket.
 *
 * `TEST_COMMAND` (words parted by blanks) tries another build in place of the sources, such as the single
 * binary.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { WarmProgram } from "./warm_program.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** Another build, word by word; none for the sources. */
const BUILD = (Deno.env.get("TEST_COMMAND") ?? "").split(/\s+/).filter((word) => word !== "");

/** Registers a test about Deno's permissions, which another build may not have. */
export function permissionTest(name: string, body: () => Promise<void>): void {
  if (BUILD.length === 0) Deno.test(name, body);
  else Deno.test({ name: `${name} (not run: about Deno's permissions)`, ignore: true, fn: body });
}

/** Registers a test that replaces a part of the program, which only its sources let it do. */
export function sourceTest(name: string, body: () => Promise<void>): void {
  if (BUILD.length === 0) Deno.test(name, body);
  else Deno.test({ name: `${name} (not run: of the sources only)`, ignore: true, fn: body });
}

/** What a process that has ended left behind. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is run. */
export interface RunOptions {
  /** Flags of Deno, which another build does not get; all permissions by default. */
  readonly flags?: readonly string[];
  readonly cwd?: string;
  /** Another program than the command line. */
  readonly script?: string;
  /** Of its environment, beside what it inherits. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Our own environment without what is said to the tests: the program would take it for settings. */
function inherited(): Record<string, string> {
  const all = Object.entries(Deno.env.toObject());
  return Object.fromEntries(all.filter(([name]) => !name.startsWith("YIZHAN_")));
}

function command(
  words: readonly string[],
  { flags = ["-A"], cwd, script = MAIN, env }: RunOptions,
) {
  const deno = [Deno.execPath(), "run", "--no-prompt", "--quiet", "--no-check", ...flags, script];
  const [program = "", ...before] = script === MAIN && BUILD.length > 0 ? BUILD : deno;
  return new Deno.Command(program, {
    args: [...before, ...words],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    clearEnv: true,
    env: { ...inherited(), NO_COLOR: "1", ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** What goes on until it is stopped. */
const LASTING = ["serve", "dev", "demo"];

/**
 * Runs the program to its end. Command lines of the sources share processes where they have all permissions or
 * none, and no input or environment of their own, see {@link WarmProgram}; another build has a process for each.
 */
export async function run(
  words: readonly string[],
  options: RunOptions & { readonly stdin?: string } = {},
): Promise<Ended> {
  const { flags = ["-A"], script, cwd, stdin = "", env } = options;
  const isPlain = script === undefined && env === undefined && stdin === "";
  const mayShare = flags.length === 0 || flags[0] === "-A";
  if (BUILD.length === 0 && isPlain && mayShare && !LASTING.includes(words[0] ?? "")) {
    return await WarmProgram.run(words, { flags, cwd: cwd ?? Deno.cwd(), launch: command });
  }
  const child = command(words, options).spawn();
  const writer = child.stdin.getWriter();
  // A program that does not read its input may be gone before it is written.
  await writer.write(new TextEncoder().encode(options.stdin ?? "")).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A running program. Dispose of it to be rid of the process, however the test went. */
export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Lines;
  readonly #stderr: Lines;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#stdout = new Lines(child.stdout);
    this.#stderr = new Lines(child.stderr);
  }

  /** Starts it. */
  static async spawn(words: readonly string[], options: RunOptions = {}): Promise<Program> {
    const child = command(words, options).spawn();
    await child.stdin.close();
    return new Program(child);
  }

  /** Starts a server and waits until it listens; gives a port for each `:0` in its words. */
  static async start(
    words: readonly string[],
    options: RunOptions = {},
  ): Promise<{ program: Program; ports: number[] }> {
    const program = await Program.spawn(words, options);
    try {
      const wanted = words.filter((word) => /:0$/.test(word)).length;
      const ports: number[] = [];
      while (ports.length < wanted) {
        const line = await program.stderrLine(/ (Listens on|mx|submission|submissions|lmtp) /);
        for (const [, port] of line.matchAll(/:(\d+)(?=,|$)/g)) ports.push(Number(port));
      }
      return { program, ports };
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The next line on standard output that matches. */
  stdoutLine(pattern: RegExp): Promise<string> {
    return this.#stdout.find(pattern);
  }

  /** The next line on standard error that matches. */
  stderrLine(pattern: RegExp): Promise<string> {
    return this.#stderr.find(pattern);
  }

  /** What was said on standard error so far. */
  get stderr(): string {
    return this.#stderr.seen;
  }

  /** Sends a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end. */
  async ended(): Promise<Ended> {
    const { code } = await this.#child.status;
    await Promise.all([this.#stdout.drain(), this.#stderr.drain()]);
    return { code, stdout: this.#stdout.seen, stderr: this.#stderr.seen };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.ended();
  }
}

/** A stream of text, line by line. */
class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";
  #ended = false;
  seen = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream() as TransformStream).getReader();
  }

  async find(pattern: RegExp): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        if (pattern.test(line)) return line;
      } else if (this.#ended) {
        throw new Error(`no line matches ${pattern} in:\n${this.seen}`);
      } else {
        await this.#read();
      }
    }
  }

  async drain(): Promise<void> {
    while (!this.#ended) await this.#read();
  }

  async #read(): Promise<void> {
    const { done, value } = await this.#reader.read();
    if (done) this.#ended = true;
    else {
      this.#rest += value;
      this.seen += value;
    }
  }
}

/** An SMTP client that says what it is told to and checks the code of the answer. */
export class Client implements Disposable {
  #connection: Deno.Conn;
  #text = "";
  readonly #buffer = new Uint8Array(4096);

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Connects and takes the greeting. */
  static async connect(port: number): Promise<Client> {
    return await Client.over(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Takes the greeting on a connection. */
  static async over(connection: Deno.Conn): Promise<Client> {
    const client = new Client(connection);
    await client.expect(220);
    return client;
  }

  /** The next reply, all its lines; its code must be this one. */
  async expect(code: number): Promise<string> {
    for (;;) {
      const reply = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(this.#text)?.[0];
      if (reply !== undefined) {
        this.#text = this.#text.slice(reply.length);
        assertEquals(Number(reply.slice(0, 3)), code, reply);
        return reply;
      }
      const length = await this.#connection.read(this.#buffer);
      if (length === null) throw new Error(`closed after: ${this.#text}`);
      this.#text += new TextDecoder().decode(this.#buffer.subarray(0, length));
    }
  }

  /** Says a line, or several, and takes the reply. */
  async say(line: string, code: number): Promise<string> {
    await this.write(`${line}\r\n`);
    return await this.expect(code);
  }

  /** Writes text as it is. */
  async write(text: string): Promise<void> {
    let rest = new TextEncoder().encode(text);
    while (rest.length > 0) rest = rest.subarray(await this.#connection.write(rest));
  }

  /** STARTTLS, trusting what the authority signed for the name. */
  async startTls(authority: string, hostname = "localhost"): Promise<void> {
    await this.say("STARTTLS", 220);
    const secured = await Deno.startTls(this.#connection as Deno.TcpConn, {
      hostname,
      caCerts: [authority],
    });
    this.#connection = secured;
    await secured.handshake();
  }

  /** One message, from MAIL to the reply after its end. */
  async send(from: string, to: string, text: string, code = 250): Promise<string> {
    await this.say(`MAIL FROM:<${from}>`, 250);
    await this.say(`RCPT TO:<${to}>`, 250);
    await this.say("DATA", 354);
    return await this.say(`${text}\r\n.`, code);
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // TLS has taken it, or it is closed.
    }
  }
}

/** A folder of a test's own, gone afterwards. */
export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes it. */
  static async make(): Promise<Folder> {
    return new Folder(await Deno.makeTempDir({ prefix: "yizhan-cli-" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
