/**
 * The program kept warm: a process that has loaded it and runs one command line after the other, which
 * takes milliseconds where a process for each takes a third of a second. Only for command lines that print
 * something and end; what they leave behind, such as a listener, would be there for the next.
 *
 * A process is taken by one command line at a time: those that run side by side get one each. One that has
 * died is replaced. They end with the file of tests that they were started for.
 *
 * @module
 */

import type { Ended } from "./program.ts";

/** What runs a script: its flags of Deno, where it runs, and its arguments. */
export type Launch = (
  args: readonly string[],
  options: { readonly script: string; readonly flags: readonly string[]; readonly cwd: string },
) => Deno.Command;

/** How a process is started. */
interface Start {
  readonly flags: readonly string[];
  readonly cwd: string;
  readonly launch: Launch;
}

const SCRIPT = new URL("./warm_main.ts", import.meta.url).pathname;

/** Those that wait for a command line, by how they were started. */
const idle = new Map<string, WarmProgram[]>();

/** A process that has loaded the program. */
export class WarmProgram {
  readonly #child: Deno.ChildProcess;
  readonly #connection: Deno.Conn;
  readonly #mark: Uint8Array;
  readonly #stdout: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stderr: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(child: Deno.ChildProcess, connection: Deno.Conn, mark: string) {
    this.#child = child;
    this.#connection = connection;
    this.#mark = new TextEncoder().encode(mark);
    this.#stdout = child.stdout.getReader();
    this.#stderr = child.stderr.getReader();
  }

  /** Runs a command line, with nothing on its standard input, in a process that was started like this. */
  static async run(words: readonly string[], start: Start): Promise<Ended> {
    // Who may do nothing may not change to another folder.
    const key = JSON.stringify([start.flags, start.flags.length === 0 ? start.cwd : ""]);
    const program = idle.get(key)?.pop() ?? await WarmProgram.#start(start);
    const [ended, lives] = await program.#run(words, start.cwd);
    if (lives) idle.set(key, [...idle.get(key) ?? [], program]);
    return ended;
  }

  static async #start({ flags, cwd, launch }: Start): Promise<WarmProgram> {
    // No program prints this by chance.
    const mark = `\x1e${crypto.randomUUID()}\x1e`;
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    // Which it gives back once it is connected.
    const needs = flags.length === 0 ? [`--allow-net=127.0.0.1:${port}`] : flags;
    const child = launch([`${port}`, mark, cwd], { script: SCRIPT, flags: needs, cwd }).spawn();
    globalThis.addEventListener("unload", () => kill(child));
    await child.stdin.close();
    const connection = await Promise.race([
      listener.accept(),
      child.status.then(({ code }) => {
        throw new Error(`the program was not loaded: it ended with ${code}`);
      }),
    ]);
    return new WarmProgram(child, connection, mark);
  }

  async #run(words: readonly string[], cwd: string): Promise<[Ended, lives: boolean]> {
    const line = new TextEncoder().encode(`${JSON.stringify({ words, cwd })}\n`);
    await new Response(line).body!.pipeTo(this.#connection.writable, { preventClose: true });
    const [stdout, stderr] = await Promise.all([
      this.#readToMark(this.#stdout),
      this.#readToMark(this.#stderr),
    ]);
    const texts = { stdout: stdout.text, stderr: stderr.text };
    if (stdout.ended || stderr.ended) {
      kill(this.#child);
      this.#connection.close();
      return [{ ...texts, code: (await this.#child.status).code }, false];
    }
    const answer = new Uint8Array(8);
    const length = await this.#connection.read(answer);
    const code = Number(new TextDecoder().decode(answer.subarray(0, length ?? 0)));
    return [{ ...texts, code }, true];
  }

  /** All that comes before the mark, or before the end where the process dies. */
  async #readToMark(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<{ text: string; ended: boolean }> {
    const mark = this.#mark;
    const pieces: Uint8Array[] = [];
    let tail = new Uint8Array();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { text: await decode(pieces), ended: true };
      pieces.push(value);
      tail = new Uint8Array([...tail, ...value.subarray(-mark.length)]).slice(-mark.length);
      if (tail.length === mark.length && tail.every((octet, at) => octet === mark[at])) {
        const text = await decode(pieces);
        return { text: text.slice(0, -mark.length), ended: false };
      }
    }
  }
}

/** The mark is ASCII, so that as many characters as octets can be cut off. */
async function decode(pieces: readonly Uint8Array[]): Promise<string> {
  return await new Blob(pieces as Uint8Array<ArrayBuffer>[]).text();
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
}
