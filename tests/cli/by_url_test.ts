/**
 * The program run by its URL, as a web server gives it: nothing is there but its own files, no import map and
 * no lock file. Packages come from the cache, as they did when these tests were loaded.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import { writeConfig } from "../support/config.ts";
import { Client, Folder, Program, run, type RunOptions } from "./program.ts";

const ROOT = new URL("../..", import.meta.url);

/** The repository's sources on a web server, and a folder to be in. */
class Place implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly folder: Folder;
  readonly main: string;

  private constructor(folder: Folder) {
    this.folder = folder;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, give);
    // A port comes again, and Deno keeps what it has read from a URL: so no two places have one URL.
    const { port } = this.#server.addr;
    this.main = `http://127.0.0.1:${port}/${crypto.randomUUID()}/src/cli/main.ts`;
  }

  static async make(): Promise<Place> {
    return new Place(await Folder.make());
  }

  /** How the program is run, with what Deno shall grant. */
  options(...permissions: readonly string[]): RunOptions {
    return {
      flags: ["--no-lock", "--no-config", ...permissions],
      script: this.main,
      cwd: this.folder.path,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function give(request: Request): Promise<Response> {
  const pathname = new URL(request.url).pathname.replace(/^\/[^/]*/, "");
  try {
    const source = await Deno.readFile(new URL(`.${pathname}`, ROOT));
    const type = pathname.endsWith(".json") ? "application/json" : "application/typescript";
    return new Response(source, { headers: { "content-type": type } });
  } catch {
    return new Response(null, { status: 404 });
  }
}

Deno.test("yizhan by URL tells its version and its commands", async () => {
  await using place = await Place.make();
  const version = await run(["--version"], place.options());
  assertEquals(version.code, 0, version.stderr);
  assertStringIncludes(version.stdout, `yizhan ${manifest.version}\n`);
  const help = await run(["help", "serve"], place.options());
  assertEquals(help.code, 0, help.stderr);
  assertMatch(help.stdout, /^yizhan serve: /);
});

Deno.test("yizhan by URL prints the configuration's defaults", async () => {
  await using place = await Place.make();
  const { code, stdout, stderr } = await run(["config", "print", "--defaults"], place.options());
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^version: 1$/m);
});

Deno.test("yizhan by URL takes mail, with the permissions its own advice names", async () => {
  await using place = await Place.make();
  const words = ["dev", "--listen", "127.0.0.1:0", "--data", "data", "--no-tls"];
  const refused = await run(words, place.options());
  assertEquals(refused.code, 77);
  const advice = /run: deno run (.*)\n$/.exec(refused.stderr)?.[1];
  assert(advice !== undefined, refused.stderr);
  assertStringIncludes(advice, ` ${place.main} dev `);
  const permissions = advice.split(" ").filter((word) => word.startsWith("--allow-"));
  const started = await Program.start(words, place.options(...permissions));
  await using program = started.program;
  using client = await Client.connect(started.ports[0]!);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "b@b.test", "Subject: by URL\r\n\r\nhi");
  await client.say("QUIT", 221);
  const accepted = JSON.parse(await program.stdoutLine(/message\.accepted/));
  assertEquals(accepted.subject, "by URL");
});

Deno.test("yizhan by URL serves in threads, with what its own advice names", async () => {
  await using place = await Place.make();
  await Deno.writeTextFile(`${place.folder.path}/users`, "# yizhan users 1\n");
  await writeConfig(place.folder.path, {
    hostname: "mx.example.test",
    workers: 2,
    listeners: [{ role: "mx", address: "127.0.0.1:0" }],
  });
  const words = ["serve", "--config", "yizhan.yaml"];
  const refused = await run(words, place.options("--unstable-net", "--allow-read=."));
  assertEquals(refused.code, 77, refused.stderr);
  const advice = /run: deno run (.*)\n$/.exec(refused.stderr)?.[1];
  assert(advice !== undefined, refused.stderr);
  const flags = advice.split(" ").filter((word) => /^--(allow|unstable)-/.test(word));
  const program = await Program.spawn(words, place.options(...flags));
  await using _ = program;
  await program.stderrLine(/^ {2}mx on 127\.0\.0\.1:\d+$/);
  await program.stdoutLine(/"type":"queue\.opened".*\/w1"/);
  program.signal("SIGTERM");
  const { code, stderr } = await program.ended();
  assertEquals([code, /warning: (?!this process is root)/.test(stderr)], [0, false], stderr);
});
