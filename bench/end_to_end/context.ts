/**
 * What all rows are measured with: the harness, a disk, and how much of everything.
 *
 * @module
 */

import type { CleanUp } from "../support/clean_up.ts";
import { type Role, type Server, startServer } from "../support/server.ts";

/** What a row is measured with. */
export interface Context {
  /** The harness's folder. */
  readonly harness: string;
  /** A folder on the disk that all servers use. */
  readonly disk: string;
  /** Where the peers keep their state, on the same disk. */
  readonly state: string;
  /** The other servers. */
  readonly peers: readonly string[];
  readonly runs: number;
  /** Less of everything. */
  readonly quick: boolean;
  /** Sources that our server is started from; absent: those beside these programs. */
  readonly tree?: string;
  readonly workers?: number;
  readonly cleanUp: CleanUp;
}

/** Starts our server, in a fresh folder. */
export async function startOurs(
  context: Context,
  role: Role,
  port: number,
  sink?: number,
): Promise<Server> {
  const { harness, disk, cleanUp, tree, workers } = context;
  return await startServer({
    folder: await cleanUp.folder(disk),
    role,
    port,
    certificate: { certificate: `${harness}/cert.pem`, key: `${harness}/key.pem` },
    ...(sink === undefined ? {} : { sink }),
    ...(tree === undefined ? {} : { tree }),
    ...(workers === undefined ? {} : { workers }),
  }, cleanUp);
}

/** A peer that runs. */
export interface Peer {
  /** The root of its processes. */
  readonly pid: number;
  /** Empties its queue. */
  clean(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a peer by the harness's script for it.
 *
 * @throws when it does not start.
 */
export async function startPeer(
  { harness, state, cleanUp }: Context,
  name: string,
  role: string,
  port: number,
): Promise<Peer> {
  const script = async (...args: string[]) => {
    const { code, stdout } = await new Deno.Command(`${harness}/peers/${name}`, {
      args,
      env: { STATE: state },
      stderr: "inherit",
    }).output();
    if (code !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${code}`);
    return new TextDecoder().decode(stdout);
  };
  let running = true;
  const stop = async () => {
    if (running) await script("stop", role);
    running = false;
  };
  cleanUp.add(stop);
  const said = await script("start", role, `${port}`, `${port + 1}`);
  return {
    pid: Number(said.trim().split(/\s+/).at(-1)),
    clean: async () => void await script("clean", role),
    stop,
  };
}

/** Runs a shell command that must succeed. */
export async function shell(command: string): Promise<void> {
  const { code, stderr } = await new Deno.Command("sh", { args: ["-c", command] }).output();
  if (code !== 0) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}
