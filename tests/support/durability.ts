/**
 * Reads what strace wrote about a server and says whether each message it has answered for was on the
 * disk by then: the octets synced, and every name that leads to them.
 *
 * The trace must be one of `strace -f -y -s SIZE`, with SIZE larger than any write, of the calls in
 * {@link TRACED_CALLS}. Time is the order of its lines. A thread stands still from when a call of its has
 * ended until strace has written so; who was waiting for a sync can therefore not be seen to go on before the
 * line that tells the end of that sync.
 *
 * The disk is taken to be as bad as POSIX allows: what was written is there after a crash if the file was
 * synced by a call that began after the write had ended; a name, if its folder was synced by one that began
 * after the name had been given; and so on upwards, to a folder that was there before.
 *
 * Pure. What is no line of a trace is a `SyntaxError`.
 *
 * @module
 */

/** What strace has to show. */
export const TRACED_CALLS: readonly string[] = [
  ...["write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg"],
  ...["fsync", "fdatasync", "open", "openat", "creat"],
  ...["rename", "renameat", "renameat2", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir"],
];

/** A system call. */
export interface SystemCall {
  readonly name: string;
  /** What stands between its brackets, as strace has it. */
  readonly arguments: string;
  /** What it returned; `null` where that is not known. */
  readonly result: number | null;
  /** The number of the line that shows its begin. */
  readonly begun: number;
  /** The number of the line that shows its end; `Infinity` where none does. */
  readonly ended: number;
}

/** A message that was answered for. */
export interface AnsweredMail {
  /** What the reply names it. */
  readonly id: string;
  /** A word (`mark-NUMBER`) that stands in its header, in its first line and in its last one, and nowhere else. */
  readonly mark: string;
  /** Each is the path of a file, or more, that must have held it. */
  readonly holders: readonly RegExp[];
}

const LINE = /^(\d+) +(.*)$/;
const COMPLETE = /^(\w+)\((.*)\) += (-?\d+|\?)/s;
const UNFINISHED = /^(\w+)\((.*) <unfinished \.\.\.>$/s;
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)/s;

/** Reads a trace; the calls come in the order in which they began. */
export function parseTrace(trace: string): SystemCall[] {
  const calls: SystemCall[] = [];
  /** The call that each thread is in. */
  const open = new Map<string, number>();
  for (const [number, line] of trace.split("\n").entries()) {
    if (line === "") continue;
    const [, thread, text] = LINE.exec(line) ?? [];
    if (thread === undefined || text === undefined) throw notATrace(number, line);
    if (text.startsWith("+++") || text.startsWith("---")) continue;
    const resumed = RESUMED.exec(text);
    if (resumed !== null) {
      const at = open.get(thread);
      const call = at === undefined ? undefined : calls[at];
      if (call === undefined || call.name !== resumed[1]) throw notATrace(number, line);
      open.delete(thread);
      const whole = call.arguments + resumed[2];
      calls[at!] = { ...call, arguments: whole, result: toResult(resumed[3]!), ended: number };
      continue;
    }
    const unfinished = UNFINISHED.exec(text);
    const [, name, given, result] = unfinished ?? COMPLETE.exec(text) ?? [];
    if (name === undefined || given === undefined) throw notATrace(number, line);
    if (unfinished !== null) open.set(thread, calls.length);
    calls.push({
      name,
      arguments: given,
      result: result === undefined ? null : toResult(result),
      begun: number,
      ended: unfinished === null ? number : Infinity,
    });
  }
  return calls;
}

function toResult(text: string): number | null {
  return text === "?" ? null : Number(text);
}

function notATrace(number: number, line: string): SyntaxError {
  return new SyntaxError(`line ${number + 1} is not of a trace: ${line.slice(0, 200)}`);
}

/**
 * What was not on the disk when it was answered for, one sentence each; none when all is well. A mail that
 * was not answered for in the trace is told of too.
 */
export function findUndurable(
  calls: readonly SystemCall[],
  mails: readonly AnsweredMail[],
): string[] {
  const disk = new Disk();
  const waiting = new Map(mails.map((mail) => [mail.id, mail]));
  const problems: string[] = [];
  for (const [call, moment] of inOrder(calls)) {
    if (moment === "end") {
      disk.ended(call);
      continue;
    }
    for (const id of answeredIn(call)) {
      const mail = waiting.get(id);
      if (mail === undefined || !waiting.delete(id)) continue;
      problems.push(...disk.problemsOf(mail).map((problem) => `${id} (${mail.mark}): ${problem}`));
    }
    disk.begun(call);
  }
  for (const { id, mark } of waiting.values()) problems.push(`${id} (${mark}): no reply names it`);
  return problems;
}

/** Begins and ends, as the lines have them. */
function inOrder(calls: readonly SystemCall[]): [call: SystemCall, moment: "begin" | "end"][] {
  const moments = calls.flatMap((call): [number, SystemCall, "begin" | "end"][] => [
    [call.begun, call, "begin"],
    [call.ended, call, "end"],
  ]);
  // Where one line tells both, the begin comes first: sorting is stable.
  moments.sort(([a], [b]) => a === b ? 0 : a - b);
  return moments.map(([, call, moment]) => [call, moment]);
}

const WRITES = ["write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg"];

/** The path that the first argument is open on; `null` for a socket, a pipe and what else is no file. */
function openPath(call: SystemCall): string | null {
  return /^\d+<(\/[^>]*)>/.exec(call.arguments)?.[1] ?? null;
}

/** The ids that a write to a socket says are taken. */
function answeredIn(call: SystemCall): string[] {
  if (!WRITES.includes(call.name) || openPath(call) !== null) return [];
  return [...call.arguments.matchAll(/250 2\.0\.0 taken as ([\w.-]+)\\r\\n/g)].map(([, id]) => id!);
}

/** The paths among the arguments. */
function paths(call: SystemCall): string[] {
  return [...call.arguments.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path]) => path!);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** A file or a folder. */
interface Node {
  /** When it got the name it has; `-1`: before all this. */
  named: number;
  /** When the last write ended. */
  written: number;
  /** When the last write ended that held each mark. */
  readonly marks: Map<string, number>;
  /** When the last sync began that succeeded. */
  synced: number;
}

/** What is on the disk, and what of it would be after a crash. */
class Disk {
  readonly #nodes = new Map<string, Node>();

  begun(call: SystemCall): void {
    // From now on until it has ended nobody knows what of it is there.
    if (WRITES.includes(call.name)) this.#write(call, Infinity);
  }

  ended(call: SystemCall): void {
    const { name, result, ended } = call;
    if (result === null || result < 0) return;
    if (WRITES.includes(name)) return this.#write(call, ended);
    const [first, second] = paths(call);
    switch (name) {
      case "fsync":
      case "fdatasync": {
        const path = openPath(call);
        if (path === null) return;
        const node = this.#node(path);
        node.synced = Math.max(node.synced, call.begun);
        return;
      }
      case "open":
      case "openat":
      case "creat":
        return this.#open(call, first);
      case "mkdir":
      case "mkdirat":
        if (first !== undefined) this.#nodes.set(first, { ...newNode(), named: ended });
        return;
      case "rename":
      case "renameat":
      case "renameat2": {
        if (first === undefined || second === undefined) return;
        const node = this.#node(first);
        node.named = ended;
        this.#nodes.delete(first);
        this.#nodes.set(second, node);
        return;
      }
      default:
        if (first !== undefined) this.#nodes.delete(first);
    }
  }

  /** Why a mail would not survive a crash now. */
  problemsOf({ mark, holders }: AnsweredMail): string[] {
    const problems: string[] = [];
    for (const holder of holders) {
      const held = [...this.#nodes].filter(([path, { marks }]) => {
        return marks.has(mark) && holder.test(path);
      });
      if (held.length === 0) problems.push(`no file ${holder.source} holds it`);
      for (const [path, node] of held) {
        // What else is in a file that holds others too may still be on its way.
        const written = node.marks.size === 1 ? node.written : node.marks.get(mark)!;
        if (node.synced <= written) problems.push(`${path} is not synced`);
        problems.push(...this.#unnamed(path));
      }
    }
    return problems;
  }

  /** The names on the way to a path that would be lost. */
  #unnamed(path: string): string[] {
    const problems: string[] = [];
    for (let at = path; at !== "/"; at = parentOf(at)) {
      const named = this.#nodes.get(at)?.named ?? -1;
      const synced = this.#nodes.get(parentOf(at))?.synced ?? -1;
      if (named >= 0 && synced <= named) problems.push(`the name ${at} is not synced`);
    }
    return problems;
  }

  #write(call: SystemCall, time: number): void {
    const path = openPath(call);
    if (path === null) return;
    if (/"\.\.\.[,}]/.test(call.arguments)) {
      throw new SyntaxError(`line ${call.begun + 1}: strace has cut what was written; give it -s`);
    }
    const node = this.#node(path);
    node.written = time;
    for (const [mark] of call.arguments.matchAll(/\bmark-\d+\b/g)) node.marks.set(mark, time);
  }

  #open({ arguments: given, ended, name }: SystemCall, path: string | undefined): void {
    if (path === undefined || (name !== "creat" && !/\bO_CREAT\b/.test(given))) return;
    const node = this.#nodes.get(path);
    if (node === undefined) this.#nodes.set(path, { ...newNode(), named: ended });
    else if (/\bO_TRUNC\b/.test(given)) node.written = ended;
  }

  /** What was there before all this is taken to be durable. */
  #node(path: string): Node {
    const node = this.#nodes.get(path) ?? newNode();
    this.#nodes.set(path, node);
    return node;
  }
}

function newNode(): Node {
  return { named: -1, written: -1, marks: new Map(), synced: -1 };
}
