/**
 * yaml-language-server, what editors complete and check YAML with, by the schema that `yizhan config
 * schema` prints and the line that docs/configuration.md gives. A process of its own, spoken to as editors do
 * (LSP over standard input and output).
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { run as runYizhan } from "../cli/program.ts";
import { interopTest, makeTemporaryFolder } from "./support.ts";

const SERVER = "npm:yaml-language-server@2.0.0";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
}

interface Diagnostic {
  readonly message: string;
  readonly range: { readonly start: { readonly line: number; readonly character: number } };
}

/** An editor, as the language server sees it. */
class Editor implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #buffer = new Uint8Array();
  #id = 0;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#reader = child.stdout.getReader();
  }

  /** Starts the server in a folder. */
  static async start(folder: string): Promise<Editor> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--quiet", "--no-lock", "--no-config", "-A", SERVER, "--stdio"],
      cwd: folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const editor = new Editor(child);
    await editor.ask("initialize", {
      processId: null,
      rootUri: `file://${folder}`,
      capabilities: { textDocument: { completion: { completionItem: { snippetSupport: false } } } },
    });
    await editor.tell("initialized", {});
    const yaml = { validate: true, completion: true, schemaStore: { enable: false } };
    await editor.tell("workspace/didChangeConfiguration", { settings: { yaml } });
    return editor;
  }

  /** Opens a file that is not on the disk. */
  async open(uri: string, text: string): Promise<void> {
    await this.tell("textDocument/didOpen", {
      textDocument: { uri, languageId: "yaml", version: 1, text },
    });
  }

  /** What the server thinks of a file. */
  async diagnostics(uri: string): Promise<readonly Diagnostic[]> {
    for (;;) {
      const { method, params } = await this.#next();
      if (method !== "textDocument/publishDiagnostics") continue;
      const told = params as { uri: string; diagnostics: readonly Diagnostic[] };
      if (told.uri === uri) return told.diagnostics;
    }
  }

  /** What it offers at a place, from 0. */
  async complete(uri: string, line: number, character: number): Promise<string[]> {
    const result = await this.ask("textDocument/completion", {
      textDocument: { uri },
      position: { line, character },
    }) as { items: { label: string }[] };
    return result.items.map(({ label }) => label);
  }

  /** A request. */
  async ask(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#id;
    await this.#send({ id, method, params });
    for (;;) {
      const message = await this.#next();
      if (message.id === id && message.method === undefined) return message.result;
    }
  }

  /** A notification. */
  async tell(method: string, params: unknown): Promise<void> {
    await this.#send({ method, params });
  }

  async #send(message: Message): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
    await this.#writer.write(new TextEncoder().encode(`Content-Length: ${body.length}\r\n\r\n`));
    await this.#writer.write(body);
  }

  /** The next message; what the server asks of us is answered with nothing. */
  async #next(): Promise<Message> {
    for (;;) {
      const message = this.#take();
      if (message === null) {
        const { done, value } = await this.#reader.read();
        if (done) throw new Error("the language server ended");
        this.#buffer = Uint8Array.from([...this.#buffer, ...value]);
      } else if (message.id !== undefined && message.method !== undefined) {
        await this.#send({ id: message.id, result: null });
      } else return message;
    }
  }

  #take(): Message | null {
    const text = new TextDecoder("latin1").decode(this.#buffer);
    const head = /^(?:[^\r\n]+\r\n)*?Content-Length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n/i.exec(text);
    if (head === null) return null;
    const end = head[0].length + Number(head[1]);
    if (this.#buffer.length < end) return null;
    const body = this.#buffer.subarray(head[0].length, end);
    this.#buffer = this.#buffer.slice(end);
    return JSON.parse(new TextDecoder().decode(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#reader.cancel();
    await this.#writer.abort().catch(() => {});
    await this.#child.status;
  }
}

interopTest("yaml-language-server completes and checks a configuration", ["deno"], async () => {
  await using folder = await makeTemporaryFolder();
  const { stdout } = await runYizhan(["config", "schema"]);
  await Deno.writeTextFile(`${folder.path}/yizhan.schema.json`, stdout);
  const docs = await Deno.readTextFile(new URL("../../docs/configuration.md", import.meta.url));
  const first = /^# yaml-language-server: .*$/m.exec(docs)?.[0];
  assert(first !== undefined, "the documents say how");

  await using editor = await Editor.start(folder.path);
  const uri = (name: string) => `file://${folder.path}/${name}`;

  const lines = [
    first,
    "hostname: mail.example.org",
    "listeners:",
    "  - role: ",
    '    address: "[::]:25"',
    "queue:",
    "  retry:",
    "    ",
    "relay:",
    "  routes:",
    '    - domains: ["*"]',
    "      via:",
    "        kind: smarthost",
    "        ",
  ];
  await editor.open(uri("a.yaml"), `${lines.join("\n")}\n`);
  const roles = await editor.complete(uri("a.yaml"), 3, 10);
  assertEquals(roles.sort(), ["lmtp", "mx", "submission", "submissions"]);
  const retry = await editor.complete(uri("a.yaml"), 7, 4);
  const keys = [
    "delayNotice",
    "factor",
    "first",
    "jitter",
    "lifetime",
    "longest",
    "noticeLifetime",
  ];
  assertEquals(retry.sort(), keys);
  const smarthost = await editor.complete(uri("a.yaml"), 13, 8);
  for (const key of ["host", "credentials", "implicitTls"]) assert(smarthost.includes(key), key);
  assert(!smarthost.includes("program"), "a key of another kind");

  const wrong = [
    first,
    "hostname: mail.example.org",
    "hostnam: x",
    'listeners: [{role: mz, address: "[::]:25"}]',
  ];
  await editor.open(uri("b.yaml"), `${wrong.join("\n")}\n`);
  const told = await editor.diagnostics(uri("b.yaml"));
  const places = told.map(({ range: { start } }) => `${start.line}:${start.character}`);
  assertEquals(places.sort(), ["2:0", "3:19"], JSON.stringify(told));
  assert(told.some(({ message }) => message.includes("hostnam is not allowed")));

  // Every key there is, with its default.
  const defaults = await runYizhan(["config", "print", "--defaults"]);
  const right = defaults.stdout.replace(/^# hostname:.*$/m, "hostname: mail.example.org")
    .replace(/^# listeners:.*$/m, 'listeners: [{ role: mx, address: "[::]:25" }]');
  await editor.open(uri("c.yaml"), `${first}\n${right}`);
  assertEquals(await editor.diagnostics(uri("c.yaml")), []);
});
