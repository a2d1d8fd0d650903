import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concat } from "../../src/bytes.ts";
import {
  decodeDnsMessage,
  type DnsData,
  type DnsMessage,
  encodeDnsMessage,
  encodeDnsQuery,
} from "../../src/runtime/dns_message.ts";

function octets(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** What Knot DNS 3.2 answered from a zone written by hand; to be read by us as the zone has it. */
const KNOT: [string, Partial<DnsMessage>][] = [
  [
    "123485000001000200000002076578616d706c65047465737400000f0001c00c000f00010000012c0008000a036d" +
    "7831c00cc00c000f00010000012c00080014036d7832c00cc02c000100010000012c0004c0000201c02c001c0001" +
    "0000012c001020010db8000000000000000000000001",
    {
      id: 0x1234,
      response: true,
      authoritative: true,
      truncated: false,
      recursionDesired: true,
      recursionAvailable: false,
      rcode: 0,
      question: { name: "example.test", type: "MX" },
      answers: [
        mx("example.test", 10, "mx1.example.test"),
        mx("example.test", 20, "mx2.example.test"),
      ],
      authority: [],
    },
  ],
  [
    "12348500000100020000000003777777076578616d706c6504746573740000010001c00c000500010000012c0006" +
    "036d7831c010c02e000100010000012c0004c0000201",
    {
      answers: [
        record("www.example.test", { type: "CNAME", name: "mx1.example.test" }),
        record("mx1.example.test", { type: "A", address: "192.0.2.1" }),
      ],
    },
  ],
  [
    "123485000001000100000000034d7831076578616d706c65045445535400001c0001c00c001c00010000012c0010" +
    "20010db8000000000000000000000001",
    {
      question: { name: "Mx1.example.TEST", type: "AAAA" },
      answers: [record("Mx1.example.TEST", { type: "AAAA", address: "2001:db8::1" })],
    },
  ],
  [
    "12348500000100010000000003747874076578616d706c6504746573740000100001c00c001000010000012c000d" +
    "07763d7370663120042d616c6c",
    { answers: [record("txt.example.test", { type: "TXT", text: "v=spf1 -all" })] },
  ],
  [
    "12348503000100000001000004676f6e65076578616d706c65047465737400000f0001c011000600010000003c00" +
    "2d026e7307696e76616c6964000a686f73746d6173746572c0320000000100000e1000000258000151800000003c",
    {
      rcode: 3,
      answers: [],
      authority: [{ name: "example.test", ttl: 60, data: { type: "SOA", minimum: 60 } }],
    },
  ],
  [
    "123485000001000100000000046e756c6c076578616d706c65047465737400000f0001c00c000f00010000012c00" +
    "03000000",
    { answers: [mx("null.example.test", 0, "")] },
  ],
  [
    "1234850000010001000000000137013201300331393207696e2d61646472046172706100000c0001c00c000c0001" +
    "0000012c0012036d7831076578616d706c65047465737400",
    { answers: [record("7.2.0.192.in-addr.arpa", { type: "PTR", name: "mx1.example.test" })] },
  ],
  ["12348105000100000000000007666f726569676e036f726700000f0001", { rcode: 5, answers: [] }],
];

function record(name: string, data: DnsData, ttl = 300) {
  return { name, ttl, data };
}

function mx(name: string, preference: number, exchange: string) {
  return record(name, { type: "MX", preference, exchange });
}

/** A header of an answer with so many records, then what is given. */
function answer(counts: [number, number, number], ...parts: Uint8Array[]): Uint8Array {
  const [questions, answers, authority] = counts;
  const header = Uint8Array.of(0, 1, 0x80, 0, 0, questions, 0, answers, 0, authority, 0, 0);
  return concat([header, ...parts]);
}

Deno.test("decodeDnsMessage() reads what Knot DNS answers", () => {
  for (const [hex, expected] of KNOT) {
    const message = decodeDnsMessage(octets(hex));
    assert(message !== null);
    for (const [key, value] of Object.entries(expected)) {
      assertEquals(message[key as keyof DnsMessage], value, key);
    }
  }
});

Deno.test("encodeDnsQuery() writes what RFC 1035 §4.1 says", () => {
  assertEquals(
    encodeDnsQuery(0xbeef, "mx.Example.test", "AAAA"),
    octets("beef0100000100000000000002" + "6d78074578616d706c65047465737400001c0001"),
  );
  assertThrows(() => encodeDnsQuery(1, "a..test", "A"), TypeError);
});

Deno.test("decodeDnsMessage() reads the names of RFC 1035 §4.1.4", () => {
  // An unknown type whose data hold F.ISI.ARPA, at 23; then a record of FOO.F.ISI.ARPA, by a label and a
  // pointer, whose data is ARPA, a pointer alone.
  const message = answer(
    [0, 2, 0],
    octets("00006300010000000000" + "0c" + "0146034953490441525041" + "00"),
    octets("03464f4f" + "c017" + "000f0001" + "00000001" + "0004" + "000a" + "c01d"),
  );
  const read = decodeDnsMessage(message);
  assertEquals(read?.answers, [record("FOO.F.ISI.ARPA", {
    type: "MX",
    preference: 10,
    exchange: "ARPA",
  }, 1)]);
});

Deno.test("decodeDnsMessage() and its counterpart have an SRV as RFC 2782 does", () => {
  // Priority, weight and port in network order, and a target that is not compressed.
  const data = octets("0000000101d1" + "046d61696c04746573740" + "0");
  const read = decodeDnsMessage(answer([0, 1, 0], octets("0000210001000000010011"), data));
  const srv = { type: "SRV", priority: 0, weight: 1, port: 465, target: "mail.test" } as const;
  assertEquals(read?.answers, [record("", srv, 1)]);
  const written = encodeDnsMessage({ ...read!, answers: [record("", srv, 1)] });
  assertEquals(written.subarray(-data.length), data);
});

Deno.test("decodeDnsMessage() follows pointers only backwards, and not for ever", () => {
  const question = (...name: number[]) =>
    decodeDnsMessage(answer([1, 0, 0], Uint8Array.of(...name, 0, 1, 0, 1)));
  assertEquals(question(0xc0, 12), null); // to itself
  assertEquals(question(0xc0, 14, 0xc0, 12), null); // to and fro
  assertEquals(question(0xc0, 200), null); // beyond the end
  assertEquals(question(0x40, 1, 0), null); // RFC 1035 §4.1.4: reserved
  assertEquals(question(0x80, 1, 0), null);
  // A ladder of pointers, each to the one before: as many as fit into a message.
  const rungs = 8000;
  const ladder = new Uint8Array(2 * rungs);
  for (let i = 1; i < rungs; i++) {
    const target = 12 + 11 + 2 * (i - 1);
    ladder.set([0xc0 | (target >> 8), target & 0xff], 2 * i);
  }
  const unknown = octets("00006300010000000000");
  const length = Uint8Array.of(ladder.length >> 8, ladder.length & 0xff);
  const top = 12 + 11 + 2 * (rungs - 1);
  const hostile = answer(
    [0, 2, 0],
    unknown.subarray(0, 9),
    length,
    ladder,
    Uint8Array.of(0xc0 | (top >> 8), top & 0xff),
    octets("0001000100000001000401020304"),
  );
  assertEquals(decodeDnsMessage(hostile), null);
});

Deno.test("decodeDnsMessage() refuses what no message can be", () => {
  const [hex] = KNOT[0]!;
  const whole = octets(hex);
  // Cut anywhere but in the additional section, which is not read.
  for (let length = 0; length < whole.length - 44; length++) {
    assertEquals(decodeDnsMessage(whole.subarray(0, length)), null, `${length} octets`);
  }
  const a = (length: number) =>
    answer([0, 1, 0], octets("00000100010000000100"), Uint8Array.of(length, 1, 2, 3, 4, 5, 6));
  assert(decodeDnsMessage(a(4)) !== null);
  assertEquals(decodeDnsMessage(a(3)), null);
  assertEquals(decodeDnsMessage(a(5)), null);
  assertEquals(decodeDnsMessage(a(100)), null);
  // A string of a TXT beyond its record.
  assertEquals(decodeDnsMessage(answer([0, 1, 0], octets("000010000100000001000203414243"))), null);
  // A name longer than 255 octets, by labels of 63.
  const label = concat([Uint8Array.of(63), new Uint8Array(63).fill(0x61)]);
  const long = concat([label, label, label, label, Uint8Array.of(0, 0, 1, 0, 1)]);
  assertEquals(decodeDnsMessage(answer([1, 0, 0], long)), null);
});

Deno.test("decodeDnsMessage() takes one marked truncated wherever it breaks off", () => {
  const whole = octets(KNOT[0]![0]);
  whole[2] = whole[2]! | 0x02;
  for (let length = 30; length < whole.length; length++) {
    assertEquals(decodeDnsMessage(whole.subarray(0, length))?.truncated, true);
  }
});

Deno.test("decodeDnsMessage() skips other types and classes", () => {
  // A HINFO, an A of class CHAOS, an A.
  const read = decodeDnsMessage(answer(
    [0, 3, 0],
    octets("00000d000100000001000401410142"),
    octets("0000010003000000010004" + "01020304"),
    octets("0000010001000000010004" + "c0000201"),
  ));
  assertEquals(read?.answers, [record("", { type: "A", address: "192.0.2.1" }, 1)]);
});

Deno.test("a TTL with the top bit set counts as 0 (RFC 2181 §8)", () => {
  const read = decodeDnsMessage(answer([0, 1, 0], octets("0000010001800000010004c0000201")));
  assertEquals(read?.answers[0]?.ttl, 0);
});

Deno.test("labels of any octets come as text that means the same again", () => {
  fc.assert(fc.property(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { minLength: 1, maxLength: 3 }),
    (labels) => {
      const wire = concat([
        ...labels.flatMap((label) => [Uint8Array.of(label.length), label]),
        Uint8Array.of(0, 0, 1, 0, 1),
      ]);
      const query = concat([octets("000100000001000000000000"), wire]);
      const name = decodeDnsMessage(query)?.question?.name ?? "";
      assertEquals(encodeDnsQuery(1, name, "A").subarray(12), wire);
      assertEquals(name.replace(/\\[^]/g, "").split(".").length, labels.length);
    },
  ));
});

const name = fc.array(fc.stringMatching(/^[a-z0-9_-]{1,20}$/), { maxLength: 5 })
  .map((labels) => labels.join("."));
const data: fc.Arbitrary<DnsData> = fc.oneof(
  fc.record({ type: fc.constant("A" as const), address: fc.ipV4() }),
  fc.record({
    type: fc.constantFrom("CNAME" as const, "NS" as const, "PTR" as const),
    name,
  }),
  fc.record({ type: fc.constant("MX" as const), preference: fc.nat(65535), exchange: name }),
  fc.record({ type: fc.constant("TXT" as const), text: fc.string({ maxLength: 600 }) }),
  fc.record({
    type: fc.constant("TLSA" as const),
    usage: fc.nat(255),
    selector: fc.nat(255),
    matching: fc.nat(255),
    data: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.record({ type: fc.constant("SOA" as const), minimum: fc.nat() }),
);
const records = fc.array(fc.record({ name, ttl: fc.nat(0x7fffffff), data }), { maxLength: 5 });

Deno.test("decodeDnsMessage() gives back what encodeDnsMessage() wrote", () => {
  fc.assert(fc.property(
    fc.record({
      id: fc.nat(65535),
      response: fc.boolean(),
      authoritative: fc.boolean(),
      truncated: fc.constant(false),
      recursionDesired: fc.boolean(),
      recursionAvailable: fc.boolean(),
      rcode: fc.nat(15),
      question: fc.option(fc.record({ name, type: fc.constantFrom("MX", "AAAA", "TYPE65") })),
      answers: records,
      authority: records,
    }),
    (message) => assertEquals(decodeDnsMessage(encodeDnsMessage(message)), message),
  ));
});

Deno.test("decodeDnsMessage() never throws", () => {
  const seeds = KNOT.map(([hex]) => octets(hex));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    decodeDnsMessage(bytes);
  }));
  const change = fc.record({ at: fc.nat(200), to: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(change, { minLength: 1, maxLength: 6 }),
      (seed, changes) => {
        const bytes = Uint8Array.from(seed);
        for (const { at, to } of changes) bytes[at % bytes.length] = to;
        const message = decodeDnsMessage(bytes);
        // What could be read can be written: nothing strange got through.
        if (message !== null) encodeDnsMessage(message);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("encodeDnsMessage() marks what does not fit as truncated", () => {
  const [hex] = KNOT[3]!;
  const message = decodeDnsMessage(octets(hex))!;
  const text = { type: "TXT", text: "x".repeat(600) } as const;
  const long = { ...message, answers: [{ name: "txt.example.test", ttl: 1, data: text }] };
  assert(encodeDnsMessage(long).length > 600);
  const cut = decodeDnsMessage(encodeDnsMessage(long, 512));
  assertEquals(cut, { ...message, truncated: true, answers: [] });
});

Deno.test("decodeDnsMessage() takes a TLSA record that is cut short for one nobody can use", () => {
  const tlsa = (data: Uint8Array) => ({
    ...{ type: "TLSA" as const, usage: 3, selector: 1, matching: 1, data },
  });
  const name = "_25._tcp.mx.test";
  const octets = encodeDnsMessage({
    ...{ id: 1, response: true, authoritative: false, truncated: false, rcode: 0 },
    ...{ recursionDesired: true, recursionAvailable: true, authenticated: true },
    question: { name, type: "TLSA" },
    answers: [
      { name, ttl: 60, data: tlsa(new Uint8Array(0)) },
      { name, ttl: 60, data: tlsa(Uint8Array.of(9)) },
    ],
    authority: [],
  });
  // The first record loses an octet of its three (RFC 6698 §2.1); behind it are 12 and 4 octets of the other.
  const at = octets.length - 16 - 3;
  const cut = Uint8Array.from([...octets.slice(0, at), ...octets.slice(at + 1)]);
  cut[at - 1] = 2;
  const message = decodeDnsMessage(cut);
  assertEquals(message?.authenticated, true);
  assertEquals(message?.answers.map(({ data }) => data), [
    { type: "TLSA", usage: 255, selector: 255, matching: 255, data: new Uint8Array(0) },
    tlsa(Uint8Array.of(9)),
  ]);
});
