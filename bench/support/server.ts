/**
 * Our server, as a process of its own and in the configuration that a user of it has: all default policies, the
 * queue on the disk, every event written to the log.
 *
 * @module
 */

import type { ConfigInput } from "../../src/config/schema.ts";
import { type CleanUp, stop } from "./clean_up.ts";
import { untilListening } from "./ports.ts";

/** The sources beside these programs. */
export const HERE: string = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The domain that mail is sent to. */
export const DOMAIN = "bench.test";

/**
 * What a server is for:
 * - `hold`: it takes mail for elsewhere, makes it safe, and sends nothing;
 * - `maildir`: it delivers into one mailbox, which gets all mail for {@link DOMAIN};
 * - `relay`: it passes everything on to a port of this machine.
 */
export type Role = "hold" | "maildir" | "relay";

/** How the server is started. */
export interface ServerOptions {
  /** Where everything it keeps is; a folder of its own, on the disk that is to be measured. */
  readonly folder: string;
  readonly role: Role;
  readonly port: number;
  /** Where `relay` passes mail on to. */
  readonly sink?: number;
  /** The sources it is started from; default {@link HERE}. */
  readonly tree?: string;
  /** Processors it may use for sessions; absent: what the configuration says by itself. */
  readonly workers?: number;
  /** A certificate and its key for STARTTLS, PEM files. */
  readonly certificate?: { readonly certificate: string; readonly key: string };
}

/** What a configuration of ours says: what has a default is left at it, but for as many connections as are measured. */
export function configFor(options: ServerOptions): ConfigInput {
  const { role, port, sink, workers, certificate } = options;
  const config: ConfigInput = {
    hostname: "mx.bench.test",
    data: ".",
    listeners: [{ role: "mx", address: `127.0.0.1:${port}` }],
    limits: { connections: 12_000 },
    ...(certificate === undefined ? {} : { tls: { certificates: [certificate] } }),
    ...(workers === undefined ? {} : { workers }),
  };
  const from = ["127.0.0.0/8"];
  switch (role) {
    case "hold":
      return { ...config, queue: { paused: true }, relay: { from } };
    case "maildir":
      return config;
    case "relay": {
      const via = { kind: "smarthost" as const, host: "127.0.0.1", port: sink! };
      return { ...config, relay: { from, routes: [{ domains: ["*"], via }] } };
    }
  }
}

/** A server that runs. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** The folder above all mailboxes. */
  readonly mail: string;
  /** A shell command that empties its queue and its mailboxes while it runs, as its operator may. */
  readonly clean: string;
  stop(): Promise<void>;
}

/** Flags of V8 that the server is run with. */
const V8_FLAGS = "--v8-flags=--max-semi-space-size=16";

/** Starts one and waits until it listens. It ends with the clean-up at the latest. */
export async function startServer(options: ServerOptions, cleanUp: CleanUp): Promise<Server> {
  const { folder, role, port, tree = HERE } = options;
  await Deno.mkdir(`${folder}/mail`, { recursive: true, mode: 0o700 });
  const served = role === "maildir" ? DOMAIN : "elsewhere.test";
  await Deno.writeTextFile(
    `${folder}/users`,
    `# yizhan users 1\nuser foo@${served} -\ncatch-all ${served} foo@${served}\n`,
  );
  const config = `${folder}/yizhan.yaml`; // JSON is YAML
  await Deno.writeTextFile(config, JSON.stringify(configFor(options), null, 2));
  const program = [Deno.execPath(), "run", "--no-prompt", "--no-check", "-A", V8_FLAGS];
  const main = `${tree}/src/cli/main.ts`;
  const child = new Deno.Command(program[0]!, {
    args: [...program.slice(1), main, "serve", "--config", config, "--json"],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  cleanUp.process(child);
  const said = new Response(child.stderr).text();
  const ended = child.status.then(async ({ code }) => {
    throw new Error(`the server ended with ${code} before it listened:\n${await said}`);
  });
  await Promise.race([untilListening(port, "the server"), ended]);
  ended.catch(() => {}); // when it ends later somebody has told it to
  return {
    pid: child.pid,
    port,
    mail: `${folder}/mail`,
    clean: role === "maildir" ? `find ${folder}/mail -type f -path '*/new/*' -delete` : quietly(
      `${program.slice(0, 5).join(" ")} ${main} queue remove --all --config ${config}`,
      `${folder}/clean.log`,
    ),
    stop: async () => {
      stop(child);
      await child.status;
    },
  };
}

/** A shell command that says something only where it fails. */
function quietly(command: string, log: string): string {
  return `${command} >${log} 2>&1 || { cat ${log} >&2; exit 1; }`;
}
