/**
 * The whole server beside Postfix, by a load harness that lets both take turns on one machine: mail accepted and
 * queued, delivered into Maildirs, and relayed to a sink.
 *
 * The harness is not part of this project. `SMTP_BENCH` names its folder, which has a program `bench.py` that
 * takes `WORK --peers NAMES --attach NAME:PORT:PID …` and prints a table; it needs root and Postfix. Without it
 * this says so and does nothing.
 *
 *     SMTP_BENCH=DIR deno run --no-prompt -A bench/end_to_end.ts [accept] [deliver] [relay] [--runs=3]
 *
 * @module
 */

import type { ConfigInput } from "../src/config/schema.ts";
import { toPort, writeConfig } from "../tests/support/config.ts";

const MAIN = new URL("../src/cli/main.ts", import.meta.url).pathname;
const harness = Deno.env.get("SMTP_BENCH");
const option = (name: string, otherwise: string) =>
  Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise;
const runs = option("runs", "3");
const sessions = option("sessions", "50");
const size = option("size", "10k");
const wanted = Deno.args.filter((arg) => !arg.startsWith("--"));

/** A kind of work: what the harness calls it, who takes turns with us, and how we are started for it. */
interface Work {
  readonly name: string;
  readonly letter: string;
  readonly peers: string;
  /** What its configuration has beside the usual. */
  readonly config: (sink: number) => Partial<ConfigInput>;
  readonly more: readonly string[];
}

const WORKS: readonly Work[] = [
  {
    name: "accept",
    letter: "A",
    peers: "postfix",
    config: () => ({ queue: { paused: true }, relay: { from: ["127.0.0.0/8"] } }),
    more: ["--keep", "many", "--secs", "4"],
  },
  {
    name: "deliver",
    letter: "B",
    peers: "postfix",
    config: () => ({}),
    more: ["--messages", "4000"],
  },
  {
    name: "relay",
    letter: "C",
    peers: "postfix,postfix/relay-tuned",
    config: (sink) => ({ relay: { from: ["127.0.0.0/8"], routes: [toPort(sink)] } }),
    more: ["--messages", "4000"],
  },
];

/** A port that is free now. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function measure(work: Work): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-bench-" });
  const sink = freePort();
  const port = freePort();
  const served = work.name === "deliver" ? "bench.test" : "elsewhere.test";
  await makeUsers(`${folder}/users`, served);
  const config = await writeConfig(folder, {
    hostname: "mx.bench.test",
    listeners: [{ role: "mx", address: `127.0.0.1:${port}` }],
    ...work.config(sink),
  });
  const server = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--v8-flags=--max-semi-space-size=16", "-A", MAIN, "serve"],
      ...["--config", config, "--json"],
    ],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  try {
    await untilListening(port);
    const args = [`${harness}/bench.py`, work.letter, "--peers", work.peers, "--runs", runs];
    args.push("--sessions", sessions, "--sizes", size, "--sink", `${sink}`, ...work.more);
    args.push("--attach", `yizhan:${port}:${server.pid}`);
    if (work.name === "deliver") args.push("--maildir", `${folder}/mail`);
    console.log(`\n## ${work.name}: bench.py ${args.slice(1).join(" ")}\n`);
    const { code } = await new Deno.Command("python3", { args }).spawn().status;
    if (code !== 0) throw new Error(`bench.py ended with ${code}`);
  } finally {
    try {
      server.kill("SIGTERM");
    } catch {
      // it has ended by itself, and has said why
    }
    await server.status;
    await Deno.remove(folder, { recursive: true });
  }
}

/** One mailbox that gets everything for the domain. */
async function makeUsers(path: string, domain: string): Promise<void> {
  const args = ["run", "-A", MAIN, "user", "add", `foo@${domain}`, "--users", path];
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args, "--password-stdin"],
    stdin: "piped",
    stdout: "null",
  }).spawn();
  const input = command.stdin.getWriter();
  await input.write(new TextEncoder().encode("a secret of the bench\n"));
  await input.close();
  await command.status;
  await Deno.writeTextFile(path, `catch-all ${domain} foo@${domain}\n`, { append: true });
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("the server did not start");
}

if (harness === undefined) {
  console.log(
    "SMTP_BENCH is not set, so nothing was measured. It names the folder of a load harness:",
  );
  console.log(
    "a program bench.py that drives smtp-source and smtp-sink (Debian: postfix) against servers",
  );
  console.log("in turns; see the head of this file.");
} else {
  for (const work of WORKS) {
    if (wanted.length === 0 || wanted.includes(work.name)) await measure(work);
  }
}
