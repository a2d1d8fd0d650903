/**
 * What the program asks of Deno, checked before anything is touched: a missing permission is one line
 * with the command that grants it, not a failure half-way. Another runtime, such as that of the single
 * binary, has no permissions, and everything is granted.
 *
 * @module
 */

import process from "node:process";
import type { SocketAddress } from "../runtime/network.ts";
import { CommandError, EXIT } from "./exit.ts";

/** What a command needs. */
export interface Needs {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Where it listens. */
  readonly listen: readonly SocketAddress[];
  /** What else it connects to: programs that look at mail. */
  readonly connect?: readonly SocketAddress[];
  /** Whether it connects to other stations, wherever they are. */
  readonly outward?: boolean;
  /** Programs it runs. */
  readonly run?: readonly string[];
  /** Variables that say something. */
  readonly env?: readonly string[];
  /** Whether a package that it loads reads all of them. */
  readonly everyVariable?: boolean;
  /** `statfs`: to see that the disk does not fill up; `uid`: whose folders are ours. */
  readonly sys: readonly ("statfs" | "uid")[];
  /** Whether it gives root up, for which Deno has no name of its own: all of `sys`. */
  readonly becomesUser?: boolean;
  /** Whether it starts itself again in threads, which read its own files, and share ports. */
  readonly threads?: boolean;
}

/**
 * @param words the command line as given, for the command that would work.
 * @throws {CommandError} naming the first permission that is missing, and the whole command to run.
 */
export function requirePermissions(needs: Needs, words: readonly string[]): void {
  const missing = listPermissions(needs).find((needed) => !isGranted(needed));
  if (missing === undefined) return;
  throw new CommandError(
    EXIT.noPermission,
    `Deno lacks the permission to ${describe(missing)}; run: ${formatDenoCommand(needs, words)}`,
  );
}

/** What of it is not granted, in words such as `write /var/lib/yizhan`. */
export function missingPermissions(needs: Needs): string[] {
  const missing = listPermissions(needs).filter((needed) => !isGranted(needed)).map(describe);
  return [...new Set(missing)];
}

/** Whether a path may be read without asking anybody. */
export function mayRead(path: string): boolean {
  return isGranted({ name: "read", path });
}

/** A permission, as `Deno.permissions` names it. */
export type Permission =
  | { readonly name: "read" | "write"; readonly path: string }
  | { readonly name: "net"; readonly host?: string }
  | { readonly name: "run"; readonly command: string }
  | { readonly name: "env"; readonly variable?: string }
  | { readonly name: "import"; readonly host: string }
  | { readonly name: "sys"; readonly kind?: "statfs" | "hostname" | "uid" };

/** Whether all of this may be done without asking anybody. */
export function isGranted(...needed: readonly Permission[]): boolean {
  if (typeof Deno === "undefined") return true;
  return needed.every((one) => Deno.permissions.querySync(one).state === "granted");
}

/** Where this program lies, as `deno run` takes it: a path, or the URL it was run by. */
export function thisProgram(): string {
  const url = new URL(import.meta.resolve("./main.ts"));
  return url.protocol === "file:" ? decodeURIComponent(url.pathname) : url.href;
}

/** The command line that grants exactly what is needed. */
export function formatDenoCommand(needs: Needs, words: readonly string[]): string {
  const flags = new Map<string, string[]>();
  for (const descriptor of listPermissions(needs)) {
    const subject = subjectOf(descriptor);
    const subjects = flags.get(descriptor.name) ?? [];
    if (!subjects.includes(subject)) flags.set(descriptor.name, [...subjects, subject]);
  }
  const allow = [...flags].map(([name, subjects]) => {
    if (subjects.includes("")) return `--allow-${name}`;
    const least = subjects.filter((one) => !subjects.some((other) => isBelow(one, other)));
    // Deno has no way to write a comma that belongs to a path.
    return least.some((one) => one.includes(",")) ? `--allow-${name}` : `--allow-${name}=${least}`;
  });
  // The configuration of a program that lies elsewhere says what is unstable in vain.
  const unstable = needs.threads ? ["--unstable-net"] : [];
  return ["deno", "run", ...unstable, ...allow, thisProgram(), ...words].map(quote).join(" ");
}

/** Whether a path lies in a folder, as far as can be seen without looking. */
export function isBelow(path: string, folder: string): boolean {
  const bare = (one: string) => one.replace(/\/+$/, "");
  return bare(path).startsWith(`${bare(folder)}/`);
}

function listPermissions(needs: Needs): Permission[] {
  const addresses = [...needs.listen, ...needs.connect ?? []];
  const sockets = addresses.filter((address) => address.transport === "unix");
  const hosts = addresses.filter((address) => address.transport === "tcp");
  const socketPaths = sockets.map(({ path }) => path);
  const outward = needs.outward === true;
  return [
    ...(outward ? [{ name: "net" as const }] : []),
    // Who may connect anywhere may listen anywhere.
    ...(outward ? [] : hosts).map(({ hostname, port }) => {
      const host = hostname.includes(":") ? `[${hostname}]` : hostname;
      return { name: "net" as const, host: `${host}:${port}` };
    }),
    // Deno wants the path of a socket among the hosts too, and there an absolute one.
    ...(outward ? [] : socketPaths).map((path) => ({
      name: "net" as const,
      host: `unix:${absolute(path)}`,
    })),
    ...[...needs.read, ...socketPaths].map((path) => ({ name: "read" as const, path })),
    ...[...needs.write, ...socketPaths].map((path) => ({ name: "write" as const, path })),
    ...(needs.run ?? []).map((command) => ({ name: "run" as const, command })),
    ...(needs.everyVariable ? [{ name: "env" as const }] : []),
    ...(needs.everyVariable ? [] : needs.env ?? []).map((variable) => ({
      name: "env" as const,
      variable,
    })),
    ...(needs.becomesUser ? [{ name: "sys" as const }] : []),
    ...(needs.becomesUser ? [] : needs.sys).map((kind) => ({ name: "sys" as const, kind })),
    ...(needs.threads ? sources() : []),
  ];
}

/** What a thread has to read of the program: the first module of a process needs no permission, that of a thread does. */
function sources(): Permission[] {
  const root = new URL("../../", import.meta.url);
  if (root.protocol !== "file:") return [{ name: "import", host: root.host }];
  const folder = decodeURIComponent(root.pathname);
  return [`${folder}src`, `${folder}deno.json`].map((path) => ({ name: "read", path }));
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${process.cwd()}/${path.replace(/^(?:\.\/+)+/, "")}`;
}

function subjectOf(needed: Permission): string {
  switch (needed.name) {
    case "net":
      return needed.host ?? "";
    case "run":
      return needed.command;
    case "env":
      return needed.variable ?? "";
    case "sys":
      return needed.kind ?? "";
    case "import":
      return needed.host;
    case "read":
    case "write":
      return needed.path;
  }
}

function describe(needed: Permission): string {
  if (needed.name === "net" && needed.host === undefined) return "connect to other hosts";
  if (needed.name === "sys" && needed.kind === undefined) return "give root up";
  const verb = needed.name === "net"
    ? "listen on"
    : needed.name === "sys"
    ? "ask for"
    : needed.name;
  return `${verb} ${subjectOf(needed)}`;
}

/** As a POSIX shell wants it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
