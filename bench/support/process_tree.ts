/**
 * What a server takes, all its processes together, read from `/proc` (Linux).
 *
 * @module
 */

/** Clock ticks of a second, in which `/proc` counts CPU time: 100 on every Linux of today. */
const TICKS = 100;

/** One process, of its `/proc/PID/stat`. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time, in seconds, with that of children who have ended. */
  readonly cpu: number;
}

/** Reads the text of `/proc/PID/stat`. The name, which may hold anything, ends at the last parenthesis. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const times = fields.slice(11, 15).map(Number);
  return {
    pid: Number.parseInt(text),
    parent: Number(fields[1]),
    cpu: times.reduce((sum, time) => sum + time, 0) / TICKS,
  };
}

/** Those of all processes that descend from `root`, itself included. */
export function descendants(all: readonly ProcessStat[], root: number): ProcessStat[] {
  const found = all.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

function readTree(root: number): ProcessStat[] {
  const all: ProcessStat[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    const text = /^\d+$/.test(name) ? readIfThere(`/proc/${name}/stat`) : null;
    if (text !== null) all.push(parseStat(text));
  }
  return descendants(all, root);
}

/** CPU seconds that a process and all below it have used so far. */
export function cpuSeconds(root: number): number {
  return readTree(root).reduce((sum, { cpu }) => sum + cpu, 0);
}

/** Octets of memory that a process and all below it hold; pages held by several count once (PSS). */
export function memoryOf(root: number): number {
  return readTree(root).reduce((sum, { pid }) => {
    const rollup = readIfThere(`/proc/${pid}/smaps_rollup`) ?? "";
    return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
  }, 0);
}

/** The text of a file, or `null` where the process has ended meanwhile. */
function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}
