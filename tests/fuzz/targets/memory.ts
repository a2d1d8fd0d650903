/**
 * Fuzzing of what is remembered of clients: the ledger's file, damaged or hostile; policies whose ledger says whatever
 * it likes; a ledger that another thread has, which may fail.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode, decodeStrict, encode } from "../../../src/bytes.ts";
import { parseNetwork } from "../../../src/net_address.ts";
import { BanList } from "../../../src/policy/abuse/ban_list.ts";
import { bans } from "../../../src/policy/abuse/bans.ts";
import { greylisting } from "../../../src/policy/abuse/greylisting.ts";
import { loginBackoff } from "../../../src/policy/abuse/login_backoff.ts";
import { KeptLedger } from "../../../src/policy/ledger/kept_ledger.ts";
import { type Ledger, MAX_NOTE, type Note } from "../../../src/policy/ledger/ledger.ts";
import {
  formatLedgerLine,
  LEDGER_HEAD,
  parseLedgerLine,
} from "../../../src/policy/ledger/ledger_text.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import {
  type LedgerAnswer,
  type LedgerPort,
  RemoteLedger,
  serveLedger,
} from "../../../src/policy/ledger/remote_ledger.ts";
import type { Policy, PolicyAnswer, SessionView } from "../../../src/policy/policy.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { reply } from "../../../src/smtp/reply.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { checkSound } from "./sound_verdict.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const CLIENTS = ["198.51.100.7", "2001:db8::7"];

const KEYS = [
  ...["banned:net 198.51.100.7/32", "banned:net 198.51.100.0/24", "banned:net 2001:db8::/64"],
  ...["banned:prefixes", "banned:net 0.0.0.0/0", "greylisted:client 198.51.100.0/24", "rates:a"],
  ...["bans:times 198.51.100.7", "bans:network 198.51.100.0/24", "bans:paid 198.51.100.7", "a", ""],
];
const VALUES = [
  ...[
    "1767225600000 policy odd",
    "1 operator \x1b[2J",
    "4/24 6/48 4/0",
    "4/-1 4/999 6/x 4/ /",
    "1",
  ],
  ...["9007199254740993", "1e999", "-5", "a b", "x".repeat(4000), "\n", "\u2028", "\ud800", ""],
];
const TIMES = [
  ...["2026-01-02T00:00:00.000Z", "2025-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"],
  ...["2026-02-31T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "soon"],
];

const FOLDERS = ["/data", "/data/ledger"];
const FILE = "/data/ledger/ledger.jsonl";

async function openLedger(machine: MemoryRuntime) {
  const told: string[] = [];
  const { clock, files } = machine;
  const onTrouble = (what: string) => void told.push(what);
  const ledger = await KeptLedger.open({ clock, files, directory: "/data/ledger", onTrouble });
  return { ledger, told };
}

async function collect<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of list) all.push(each);
  return all;
}

const byKey = (a: Note, b: Note) => a.key < b.key ? -1 : 1;

/** What a file says, by a slow reading; `null` where it is none of ours. */
function readSlowly(input: Uint8Array): { notes: Note[]; damaged: number } | null {
  const lines: (string | null)[] = [];
  let at = 0;
  for (let end; (end = input.indexOf(10, at)) !== -1; at = end + 1) {
    lines.push(decodeStrict(input.subarray(at, end)));
  }
  // A first line that has no end was not written by us, or not to its end.
  if (lines.shift() !== '{"yizhan":"ledger","version":1}') return null;
  const notes = new Map<string, Note>();
  let damaged = 0;
  for (const line of lines) {
    const said = line === null ? null : parseLedgerLine(line);
    if (said === null) damaged++;
    else if (said.until === null || said.until <= NOW) notes.delete(said.key);
    else {
      const until = Math.min(said.until, NOW + 3650 * 86_400_000);
      notes.set(said.key, { key: said.key, value: said.value, until });
    }
  }
  return { notes: [...notes.values()].sort(byKey), damaged };
}

const ledgerFile: FuzzTarget = {
  name: "ledger",
  about:
    "a damaged file of the ledger: all lines that can be read and no others, set aside where it is foreign, whole again after",
  words: [
    ...[...KEYS, ...VALUES, ...TIMES].map((text) => JSON.stringify(text)),
    ...['"key":', '"value":', '"until":', '"until":null', "\n", "{}\n", '"__proto__":', "\xff"],
    ...[LEDGER_HEAD, '{"yizhan":"ledger","version":2}\n'],
  ],
  longest: 16_384,
  generate: (chance) =>
    encode(
      (chance.oneIn(8) ? "" : LEDGER_HEAD) + chance.many(0, 8, () => {
        const [key, value, until] = [chance.pick(KEYS), chance.pick(VALUES), chance.pick(TIMES)];
        return `${
          JSON.stringify(chance.oneIn(6) ? { key, until: null } : { key, value, until })
        }\n`;
      }) + chance.pick(["", "", '{"key":"torn']),
    ),
  async run(input) {
    for (const line of decode(input).split("\n")) {
      const read = parseLedgerLine(line);
      if (read === null) continue;
      const { key, value, until } = read;
      const note = until === null ? null : { key, value, until };
      const again = formatLedgerLine(key, note);
      assert(/^[^\n]+\n$/.test(again));
      assertEquals(parseLedgerLine(again.slice(0, -1)), { ...read, ...(note ?? { value: "" }) });
    }
    const machine = memoryRuntime({ now: NOW });
    const { files, clock } = machine;
    for (const folder of FOLDERS) await files.makeDirectory(folder, 0o700);
    const handle = await files.open(FILE, { write: true, create: true });
    await handle.write(input);
    handle.close();
    const expected = readSlowly(input);
    const { ledger, told } = await openLedger(machine);
    const notes = (await collect(ledger.list(""))).sort(byKey);
    assertEquals(notes, expected?.notes ?? []);
    assertEquals(told.length, expected === null || expected.damaged > 0 ? 1 : 0, told.join());
    if (expected === null) assertEquals(await files.readFile(`${FILE}.unread`), input);
    for (const each of notes) assert(each.key.length + each.value.length <= MAX_NOTE);
    const list = new BanList(ledger, clock);
    for (const client of CLIENTS) await list.find(client);
    await collect(list.list());
    await list.add(parseNetwork("203.0.113.0/24")!, { reason: "r", by: "operator" }, 3_600_000);
    await clock.runUntil(ledger.close());
    const { ledger: next, told: toldNext } = await openLedger(machine);
    const kept = (await collect(next.list(""))).filter(({ key }) =>
      !/^banned:(net 203|pre)/.test(key)
    );
    const before = notes.filter(({ key }) => !/^banned:(net 203|pre)/.test(key));
    assertEquals([kept.sort(byKey), toldNext], [before, []]);
    assertEquals((await new BanList(next, clock).find("203.0.113.9"))?.reason, "r");
    await clock.runUntil(next.close());
  },
};

/** A ledger that answers as a text says, whatever it is asked: a line each. */
class ForgedLedger implements Ledger {
  #at = 0;

  constructor(readonly lines: readonly string[], readonly far: boolean) {}

  take = () => this.#soon(Math.max(0, Number(this.#next())) || 0);
  recall = (key: string) => {
    const value = this.#next();
    return this.#soon(
      value === "-" ? null : { key, value: value.slice(0, MAX_NOTE), until: NOW + 1e6 },
    );
  };
  note = () => this.#soon(undefined) as Promise<void>;
  forget = () => this.#soon(this.#next() === "1") as Promise<boolean>;
  async *list(prefix: string) {
    for (const value of this.lines) {
      yield { key: `${prefix}${value}`.slice(0, MAX_NOTE), value, until: NOW + 1 };
    }
  }

  #next(): string {
    return this.lines.length === 0 ? "-" : this.lines[this.#at++ % this.lines.length]!;
  }

  #soon<T>(value: T): T | Promise<T> {
    return this.far ? Promise.resolve(value) : value;
  }
}

const A = { local: "a", domain: "b.example" };

/** Everything a policy may be asked about a stranger. */
function questionsTo(policy: Policy, client: string): (() => PolicyAnswer | unknown)[] {
  const session: SessionView = {
    ...{ id: "s1", role: "mx", client, hello: "c.example", tls: null, identity: null },
    trusted: false,
  };
  const envelope = { sender: A, recipients: [{ address: A }] } as never;
  const refused = (stage: "auth" | "recipient", code: number) => () =>
    policy.refused?.(session, { stage, reply: reply(code, "5.1.1", "no"), name: "n", address: A });
  return [
    () => policy.connect?.(session),
    () => policy.credentials?.(session, "a@b.example"),
    refused("auth", 535),
    () => policy.credentials?.(session, "a@b.example"),
    () => policy.auth?.({ ...session, identity: "a@b.example" }),
    () => policy.sender?.(session, A),
    () => policy.recipient?.(session, A, envelope),
    refused("recipient", 550),
    () => policy.message?.({ id: "m", session, envelope } as never),
    () => policy.fault?.(session, "early-talk", ""),
    () => policy.close?.(session),
  ];
}

const remembered: FuzzTarget = {
  name: "remembered",
  about:
    "policies whose ledger says whatever a text does, a line for each question: they answer soundly and at last",
  words: [...VALUES.map((value) => `${value}\n`), "-\n", "0\n", "1\n", `${NOW}\n`, "NaN\n"],
  generate: (chance) =>
    encode(
      chance.pick(["", "\n"]) + chance.many(0, 12, () => chance.pick(["-", "0", ...VALUES]), "\n"),
    ),
  async run(input) {
    const lines = decode(input).split("\n");
    const runtime = memoryRuntime({ now: NOW });
    const { clock } = runtime;
    const services = {
      clock,
      ledger: new ForgedLedger(lines, input.length % 2 === 1),
      emit: () => {},
    };
    for (
      const policy of [bans({}, services), loginBackoff({}, services), greylisting({}, services)]
    ) {
      for (const client of CLIENTS) {
        for (const question of questionsTo(policy, client)) {
          const began = clock.now();
          const answer = question();
          const given = answer instanceof Promise ? await clock.runUntil(answer) : answer;
          assert(clock.now() - began <= (policy.timeout ?? 30_000), "longer than it may take");
          if (given !== undefined && "action" in (given as object)) checkSound(given);
          else if (given !== undefined) checkSound({ action: "defer", reply: given });
        }
      }
    }
    await clock.runUntilIdle(60_000);
    assertEquals(clock.sleepers, 0);
  },
};

/** A line of a script: what is asked, or what goes wrong from there on. */
const STEP = /^(take|note|recall|forget|list|sleep|fail) ?(\S*) ?(\d{0,9})$/;

const remote: FuzzTarget = {
  name: "remote-ledger",
  about:
    "a ledger of another thread that may fail (a script, a line each): as a near one while it answers, empty after, never stuck",
  words: ["\nfail reject", "\nfail never", "\nfail few", "\nfail late", "\nfail no", "\ntake a 1"],
  generate: (chance) =>
    encode(
      chance.many(1, 20, () =>
        chance.oneIn(6)
          ? `fail ${chance.pick(["reject", "never", "few", "many", "late", "throw", "no"])}`
          : `${chance.pick(["take", "take", "note", "recall", "forget", "list", "sleep"])} ${
            chance.pick(["a:1", "a:2", "b", "1000", "11000"])
          } ${chance.pick(["", "1", "3", "60000"])}`, "\n"),
    ),
  async run(input) {
    const { clock } = memoryRuntime({ now: NOW });
    const [near, far] = [new MemoryLedger(clock), new MemoryLedger(clock)];
    const serve = serveLedger(far);
    let fault = "no";
    const port: LedgerPort = async (questions) => {
      if (fault === "throw" || fault === "reject") throw new Error("gone");
      if (fault === "never") return await new Promise(() => {});
      if (fault === "late") await clock.sleep(5000);
      const answers = await serve(questions);
      return fault === "few" ? answers.slice(1) : fault === "many" ? [...answers, 0] : answers;
    };
    const told: string[] = [];
    const ledger = new RemoteLedger({ clock, ask: port, onTrouble: (what) => told.push(what) });
    const rate = { count: 3, per: 60_000 };
    let failed = false;
    const steps = decode(input).split("\n").slice(0, 60).flatMap((line) => {
      const [, verb, key = "", number = ""] = STEP.exec(line) ?? [];
      return verb === undefined ? [] : [{ verb, key, amount: Number(number || 1) }];
    });
    for (const { verb, key, amount } of steps) {
      const ask = (of: Ledger): unknown => {
        if (verb === "take") return of.take(key, rate, Math.min(amount, 3));
        if (verb === "note") return of.note(key, "v", amount);
        if (verb === "recall") return of.recall(key);
        return verb === "forget" ? of.forget(key) : collect(of.list(key));
      };
      if (verb === "sleep") await clock.advance(Math.min(Number(key) || 0, 60_000));
      else if (verb === "fail") {
        fault = key;
        failed ||= !["no", ""].includes(key);
      } else {
        const expected = await ask(near);
        const began = clock.now();
        const answer = await clock.runUntil(Promise.resolve(ask(ledger))) as
          | LedgerAnswer
          | undefined;
        assert(clock.now() - began <= 2000, "stuck");
        if (!failed) assertEquals(answer, expected);
        const types: Record<string, string> = {
          take: "number",
          forget: "boolean",
          note: "undefined",
        };
        if (types[verb] !== undefined) assertEquals(typeof answer, types[verb]);
        if (verb === "list") assert(Array.isArray(answer));
      }
    }
    assert(told.length <= steps.length);
    if (!failed) assertEquals(told, []);
    await clock.runUntilIdle(60_000);
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [ledgerFile, remembered, remote];
