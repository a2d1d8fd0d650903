/**
 * Fuzzing of what filters answer: packets of milters and whole dialogues with one, answers of clamd, verdicts of HTTP
 * hooks. Filters are the operator's, but they read hostile mail, and are programs with faults of their own.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat, decode, decodeStrict, encode, equal } from "../../../src/bytes.ts";
import { StoredDraft } from "../../../src/intake/body_draft.ts";
import { scanStream } from "../../../src/policy/clamav/clamd.ts";
import { parseHookVerdict } from "../../../src/policy/http_hook/hook_verdict.ts";
import { LONGEST } from "../../../src/policy/milter/link.ts";
import { milter } from "../../../src/policy/milter/milter.ts";
import { parseNegotiation, STEPS } from "../../../src/policy/milter/negotiation.ts";
import { formatPacket, MilterPacketDecoder } from "../../../src/policy/milter/packet.ts";
import { parseMilterReply } from "../../../src/policy/milter/reply.ts";
import type {
  MessageView,
  PolicyAnswer,
  SessionView,
  Verdict,
} from "../../../src/policy/policy.ts";
import { BodyStore } from "../../../src/queue/body_store.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection, SocketAddress } from "../../../src/runtime/network.ts";
import { longs, packet } from "../../policy/milter/scripted_milter.ts";
import { type Chance, piecesOf, waysToCut } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { checkSound, FIELDS } from "./sound_verdict.ts";

const PLAIN_KINDS = "cartdsp4f";

/** What filters say, in words: kind and data. */
const SAYINGS: readonly (readonly [kind: string, data: string])[] = [
  ...[...PLAIN_KINDS].map((kind) => [kind, ""] as const),
  ...[["y", "550 5.7.1 no\0"], ["y", "451-4.7.1 a\r\n451 4.7.1 b\0"], ["y", "250 ok\0"]] as const,
  ...[["h", "X-Spam\0yes\r\n\tno\0"], ["h", "X\0a\r\nBcc: x@y\0"], ["h", "X Y\0\0"]] as const,
  ...[["i", "\0\0\0\x01X-A\0b\0"], ["m", "\0\0\0\x01Subject\0\0"], [
    "m",
    "\0\0\0\x02a\0b\0",
  ]] as const,
  ...[["i", "\x7f\x7f\x7f\x7fX-A\0b\0"], ["m", "\0\0\0\0Received\0x\0"]] as const,
  ...[["+", "<a@b.example>\0"], ["-", "<c@d.example>\0"], ["2", "<a@b>\0SIZE=1\0"]] as const,
  ...[["e", "<>\0"], ["e", "a@b.example\0NOTIFY=NEVER\0"], ["b", "text\r\n"], [
    "b",
    "a\nb",
  ]] as const,
  ...[["q", "looks odd\0"], ["q", "\x1b[2J\n\0"], ["b", ""], ["z", ""], ["h", "no end"]] as const,
];

const milterPacket: FuzzTarget = {
  name: "milter-packet",
  about:
    "packets of milters: the same ones in any split as a slow reading finds, replies and negotiations that are sound",
  words: [
    "\0\0\0\x01c",
    "\0\0\0\0",
    "\0\0\0\r",
    "\0",
    ...SAYINGS.map(([kind, data]) => kind + data),
  ],
  generate: (chance) =>
    concat(Array.from({ length: chance.between(1, 5) }, () => {
      if (!chance.oneIn(4)) return packet(...chance.pick(SAYINGS));
      const steps = chance.pick([0, 0xff, 0x1f_ffff, 0xffff_ffff]);
      const lists = chance.pick([
        "",
        "\0\0\0\0j {a}\0",
        "\0\0\0\x06i,{b}\0",
        "\0\0\0\x09x\0",
        "\0\0",
      ]);
      return packet("O", concat([longs(chance.pick([2, 6, 6, 7]), 0x1ff, steps), encode(lists)]));
    })),
  run(input) {
    const limit = 300;
    const expected: string[] = [];
    for (let at = 0; at + 4 <= input.length;) {
      const length = new DataView(input.buffer, input.byteOffset).getUint32(at);
      if (length === 0 || length > limit) expected.push("never");
      if (length === 0 || length > limit || at + 4 + length > input.length) break;
      expected.push(input.slice(at + 4, at + 4 + length).toHex());
      at += 4 + length;
    }
    for (const pieces of waysToCut(input)) {
      const decoder = new MilterPacketDecoder(limit);
      const found: string[] = [];
      for (const piece of pieces) {
        decoder.receive(piece);
        piece.fill(0xaa);
        for (let next; found.at(-1) !== "never" && (next = decoder.next()) !== null;) {
          if (typeof next === "string") found.push("never");
          else {
            const { kind, data } = next;
            found.push(concat([Uint8Array.of(kind.charCodeAt(0)), data]).toHex());
            if (kind.charCodeAt(0) < 128) {
              assertEquals(formatPacket(kind, data).subarray(4).toHex(), found.at(-1));
            }
            readAnything({ kind, data });
          }
        }
      }
      assertEquals(found, expected);
    }
  },
};

function readAnything(packet: { readonly kind: string; readonly data: Uint8Array }): void {
  const reply = parseMilterReply(packet);
  if (reply?.reply === "reply-code") {
    checkSound({ action: reply.value.code < 500 ? "defer" : "reject", reply: reply.value });
  }
  if (reply?.reply === "quarantine") assert(/^[ -~]{0,200}$/.test(reply.reason));
  const agreed = parseNegotiation(packet);
  if (typeof agreed === "string") return assert(agreed.length < 100, agreed);
  assert(agreed.version >= 2 && agreed.version <= 6 && agreed.steps >= 0, `${agreed.steps}`);
  for (const name of [...agreed.macros.values()].flat()) assert(name !== "");
}

const FILTER: SocketAddress = { transport: "unix", path: "/run/milter.sock" };
/** Between two sayings of a script. */
const NEXT = 0xff;
/** What a script agrees on that does not say it by itself. */
const AGREED = [
  0,
  STEPS.leadingSpace | STEPS.skip,
  STEPS.noConnect | STEPS.noHello | STEPS.noHeaders,
  STEPS.silentHeader | STEPS.silentBody | STEPS.silentConnect,
];
const SILENT = Object.entries(STEPS).reduce(
  (all, [name, flag]) => name.startsWith("silent") ? all | flag : all,
  0,
);
/** What is no last word on a step. */
const GOES_ON = new Set([..."hi+-2ebqmp"].map((kind) => kind.charCodeAt(0)));

/** A filter that says what a script has, a step's worth at each command, then as `after` says. */
class HostileFilter {
  readonly #sayings: Uint8Array[];
  /** The last word on each command, by the command; `!`: what is no word, `?`: who knows. */
  readonly words: (readonly [command: string, word: string])[] = [];

  constructor(script: Uint8Array, readonly steps: number, readonly after: number) {
    const parts: Uint8Array[] = [];
    for (let at = 0; at <= script.length;) {
      const next = script.indexOf(NEXT, at);
      const end = next === -1 ? script.length : next;
      parts.push(script.subarray(at, end));
      at = end + 1;
    }
    this.#sayings = parts;
  }

  async serve(connection: Connection): Promise<void> {
    const decoder = new MilterPacketDecoder(10_000_000);
    const buffer = new Uint8Array(4096);
    for (let length; (length = await connection.read(buffer)) !== null;) {
      decoder.receive(buffer.subarray(0, length));
      for (let heard; (heard = decoder.next()) !== null;) {
        assert(typeof heard === "object", "we sent no packet");
        if ("DAQK".includes(heard.kind)) continue;
        const octets = this.#answer(heard.kind);
        if (octets === null) return;
        // Two answers in two pieces would be as good as two answers to two commands.
        const pieces = this.words.at(-1)?.[1] === "!" ? [octets] : piecesOf(octets, 200);
        for (const piece of pieces) await connection.write(piece);
      }
    }
  }

  /** `null`: it goes away. */
  #answer(command: string): Uint8Array | null {
    if (command === "O" && this.#sayings[0]?.[0] !== 0x4f) {
      return packet("O", longs(6, 0x1ff, this.steps));
    }
    const said: Uint8Array[] = [];
    for (let saying; (saying = this.#sayings.shift()) !== undefined;) {
      const raw = saying[0] === 0x21 || saying.length === 0;
      said.push(
        raw ? saying.subarray(1) : formatPacket(decode(saying.subarray(0, 1)), saying.subarray(1)),
      );
      if (raw) this.words.push([command, wordOf(saying.subarray(1))]);
      else if (GOES_ON.has(saying[0]!)) continue;
      else this.words.push([command, saying.length === 1 ? decode(saying) : "!"]);
      return concat(said);
    }
    this.words.push([command, this.after === 0 ? "c" : "!"]);
    return this.after === 0 ? packet("c") : this.after === 1 ? null : new Uint8Array(0);
  }
}

/** What octets come to that a script says as they are: more than one answer is none. */
function wordOf(octets: Uint8Array): string {
  const usual = packet("c");
  if (octets.length === 0) return "!";
  const begins = equal(octets.subarray(0, usual.length), usual);
  return begins && octets.length > usual.length ? "!" : "?";
}

const milterDialogue: FuzzTarget = {
  name: "milter",
  about:
    "two messages before a hostile milter (sayings parted by 0xff): a sound verdict or a failure in time, and what it refuses is not taken",
  words: [
    Uint8Array.of(NEXT),
    ...SAYINGS.map(([kind, data]) => concat([Uint8Array.of(NEXT), encode(kind + data)])),
    concat([Uint8Array.of(NEXT), encode("O\0\0\0\x06\0\0\x01\x7f\0\x10\0\0")]),
    concat([Uint8Array.of(NEXT), encode("!\0\0\0\x01c\0\0\0\x01c")]),
  ],
  generate(chance: Chance) {
    const sayings = Array.from({ length: chance.below(16) }, () => {
      const [kind, data] = chance.oneIn(2) ? ["c", ""] as const : chance.pick(SAYINGS);
      return concat([encode(kind + data), Uint8Array.of(NEXT)]);
    });
    return concat([Uint8Array.of(chance.below(16)), ...sayings]);
  },
  async run(input) {
    const how = input[0] ?? 0;
    const steps = AGREED[how & 3]!;
    const ownNegotiation = input[1] === 0x4f;
    const filter = new HostileFilter(input.subarray(1), steps, Math.min(2, how >> 2 & 3));
    const runtime = memoryRuntime({ seed: 1 });
    const listener = await runtime.network.listen(FILTER);
    const faults: unknown[] = [];
    let open = 0;
    (async () => {
      for (let next; (next = await listener.accept()) !== null;) {
        const connection = next;
        open++;
        filter.serve(connection).catch((error) => error.code === undefined && faults.push(error))
          .finally(() => {
            open--;
            connection.close();
          });
      }
    })();
    const { network, clock } = runtime;
    const policy = milter({ address: FILTER, hostname: "mx.example" }, { network, clock });
    for (const message of ["m1", "m2"]) {
      const before = filter.words.length;
      const { passed } = await present(runtime, policy, message);
      const last = filter.words.slice(before).filter(([command]) => command !== "O");
      const refused = last.some(([command, word]) =>
        (command === "E" ? "rtd4f" : "MTLNB".includes(command) ? "rtd4f!" : "").includes(word)
      );
      // What a filter says that was told to be silent counts for something else.
      if (refused && (steps & SILENT) === 0 && !ownNegotiation) {
        assert(!passed, `taken, though: ${JSON.stringify(last)}`);
      }
    }
    policy.close?.(SESSION);
    await clock.runUntilIdle(LONGEST);
    assertEquals([open, clock.sleepers, faults], [0, 0, []]);
    listener.close();
  },
};

const SESSION: SessionView = {
  ...{ id: "s1", role: "mx", client: "192.0.2.1", port: 7, hello: "c.example", tls: null },
  ...{ identity: null, trusted: false },
};
const SENDER = { local: "a", domain: "b.example" };
const RECIPIENT = { local: "c", domain: "d.example" };

/** One message as intake brings it; whether the policy let it pass. */
async function present(
  { clock, files, random }: MemoryRuntime,
  policy: ReturnType<typeof milter>,
  id: string,
): Promise<{ passed: boolean }> {
  /** `undefined` for a failure, which counts as a refusal. */
  const ask = async (hook: () => PolicyAnswer): Promise<Verdict | undefined> => {
    const began = clock.now();
    const asked = (async () => await hook())();
    const answer = await clock.runUntil(asked.catch((error) => error));
    assert(clock.now() - began <= LONGEST + 60_000, "too late");
    if (!(answer instanceof Error)) return checkSound(answer) ?? { action: "accept" };
    assert(answer.message.startsWith("unix:/run/milter.sock: "), answer.stack);
    return undefined;
  };
  const goesOn = (verdict: Verdict | undefined) =>
    verdict?.action === "accept" || verdict?.action === "annotate";
  const envelope = { sender: SENDER, recipients: [{ address: RECIPIENT }] };
  const store = new BodyStore({ files, random, directory: "/incoming" });
  const fail = (error: unknown) => {
    throw error;
  };
  const hooks: (() => PolicyAnswer)[] = [
    () => policy.sender!(SESSION, SENDER, { size: 100, body: "8BITMIME" }),
    () => policy.recipient!(SESSION, RECIPIENT, envelope as never),
    () =>
      policy.message!({
        ...{ id, session: SESSION, envelope: envelope as never, fields: FIELDS, bodySize: 6 },
        ...{ bodyReplaced: false, carriage: "8bit" as const, goesOn: false },
        hasResults: false,
        openBody: async function* () {
          yield encode("text\r\n");
        },
        draftBody: () => new StoredDraft(store.create(), fail),
      } as MessageView),
  ];
  for (const hook of hooks) {
    if (!goesOn(await ask(hook))) return { passed: false };
  }
  return { passed: true };
}

const clamd: FuzzTarget = {
  name: "clamd",
  about:
    "answers of clamd: clean only where it says just that, printable words, the same in any split",
  words: [
    "stream: OK\0",
    "stream: ",
    " FOUND\0",
    "\0",
    "INSTREAM size limit exceeded. ERROR\0",
    "\n",
    "é",
  ],
  generate: (chance) =>
    encode(
      chance.pick(["stream: ", "stream:", "", "\n"]) +
        chance.pick([
          "OK",
          "Win.Test-1 FOUND",
          "a FOUND FOUND",
          "x".repeat(2100),
          "\x1b[2J FOUND",
        ]) +
        chance.pick(["\0", "\0", "\n\0", "", "\0stream: OK\0"]),
    ),
  async run(input) {
    const results = [];
    for (const pieces of [[input.slice()], piecesOf(input), piecesOf(input, 3)]) {
      const sent: Uint8Array[] = [];
      const connection = {
        read(into: Uint8Array) {
          const piece = pieces.shift();
          if (piece === undefined) return Promise.resolve(null);
          const length = Math.min(into.length, piece.length);
          into.set(piece.subarray(0, length));
          if (length < piece.length) pieces.unshift(piece.subarray(length));
          return Promise.resolve(length);
        },
        write: (octets: Uint8Array) => Promise.resolve(void sent.push(octets.slice())),
      } as unknown as Connection;
      const scanned = await scanStream(
        connection,
        async function* () {
          yield encode("text");
        }(),
      );
      results.push(scanned);
      if (scanned.status === "infected") assert(/^[ -~]{1,100}$/.test(scanned.signature));
      if (scanned.status === "failed") assert(/^[ -~]{1,200}$/.test(scanned.reason));
      assert(equal(concat(sent).subarray(0, 10), encode("zINSTREAM\0")));
    }
    for (const result of results) assertEquals(result, results[0]);
    const [first = ""] = decode(input.subarray(0, 2048)).split("\0");
    const isWhole = input.subarray(0, 2048).includes(0);
    assertEquals(results[0]!.status === "clean", isWhole && first.trim() === "stream: OK");
  },
};

const CHANGES = [
  ...['{"change":"add-field","name":"X-A","value":"b"}', '{"change":"remove-field","name":"To"}'],
  ...['{"change":"insert-field","index":0,"name":"X","value":"a\\r\\nBcc: x@y"}'],
  ...['{"change":"replace-field","name":"Subject","occurrence":2,"value":null}'],
  ...[
    '{"change":"replace-sender","sender":null}',
    '{"change":"add-recipient","recipient":"a@b.c"}',
  ],
  ...['{"change":"replace-body","body":"dGV4dA0K"}', '{"change":"quarantine","reason":"odd"}'],
  ...['{"change":"replace-body","body":"YQo="}'],
];

const hook: FuzzTarget = {
  name: "hook",
  about: "verdicts of HTTP hooks: sound, or wrong in printable words; a body has whole lines",
  words: [
    ...CHANGES,
    ...[
      '"action":"reject"',
      '"code":550',
      '"enhanced":"5.7.1"',
      '"text":"a\\r\\nb"',
      '"é"',
      "null",
    ],
    ...[
      "1e999",
      "[]",
      '"__proto__":{}',
      '"verbatim":true',
      "\\ud800",
      "\\u2028",
      "@",
      '"name":"a b"',
    ],
  ],
  generate(chance) {
    switch (chance.below(4)) {
      case 0:
        return encode(
          `{"action":"${chance.pick(["accept", "discard", "x"])}"${
            chance.pick(["", ',"reason":"r"'])
          }}`,
        );
      case 1: {
        const parts = [
          '"code":421',
          '"code":599',
          '"enhanced":"4.7.1"',
          '"enhanced":"5.1.1000"',
          '"text":"no"',
        ];
        const action = chance.pick(["reject", "defer"]);
        return encode(`{"action":"${action}"${chance.many(0, 2, () => `,${chance.pick(parts)}`)}}`);
      }
      case 2: {
        const body = btoa(chance.many(0, 4, () => chance.pick(["a", "\r\n", "\r\n", "\r", "\n"])));
        return encode(
          `{"action":"annotate","changes":[{"change":"replace-body","body":"${body}"}]}`,
        );
      }
      default:
        return encode(
          `{"action":"annotate","changes":[${chance.many(0, 3, () => chance.pick(CHANGES), ",")}]}`,
        );
    }
  },
  run(input) {
    const text = decodeStrict(input);
    if (text === null) return;
    for (const stage of ["connect", "sender", "message"] as const) {
      const verdict = parseHookVerdict(stage, text);
      if ("wrong" in verdict) {
        assert(/^[ -~]{1,200}$/.test(verdict.wrong), JSON.stringify(verdict.wrong));
        continue;
      }
      checkSound(verdict);
      if (verdict.action !== "annotate") continue;
      assert(stage !== "connect");
      for (const change of verdict.changes) {
        assert(stage === "message" || change.change.endsWith("-field"));
        assert(!("verbatim" in change));
        if (change.change !== "replace-body") continue;
        assert(change.body instanceof Uint8Array);
        assert(/^(?:[^\r\n]*\r\n)*$/.test(decode(change.body)), "a bare newline");
      }
    }
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [milterPacket, milterDialogue, clamd, hook];
