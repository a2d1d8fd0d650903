import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { loadConfig } from "../../src/config/load.ts";
import { z } from "../../src/config/packages.ts";
import { formatConfig, formatDefaults } from "../../src/config/print.ts";
import { ConfigError } from "../../src/config/problems.ts";
import { type ConfigInput, configSchema, type WrittenConfig } from "../../src/config/schema.ts";
import { hideSecrets } from "../../src/config/secrets.ts";
import { formatDuration, parseDuration } from "../../src/config/fields.ts";
import { load, problemsOf, SMALLEST, testMachine } from "./machine.ts";

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const domain = fc.tuple(label, label).map((labels) => labels.join("."));
const duration = fc.integer({ min: 1000, max: 20 * 86_400_000 }).map(formatDuration);
const size = fc.oneof(
  fc.integer({ min: 65_536, max: 2 ** 40 }),
  fc.constantFrom("64K", "3M", "1G"),
);
const text = fc.string({ minLength: 1, maxLength: 20, unit: "binary" })
  // A lone surrogate is no text.
  .filter((one) => one.isWellFormed() && !one.includes("\0"));
// Short enough also for the path of a socket, and none that a shell would replace.
const visible = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" })
  .filter((one) => /^(?!~)\P{C}+$/u.test(one) && new TextEncoder().encode(one).length <= 60);

const relaySettings = {
  tls: fc.constantFrom("opportunistic", "required", "verified"),
  source: fc.record({ ipv4: fc.ipV4(), ipv6: fc.constant("2001:db8::1") }, { requiredKeys: [] })
    .filter(({ ipv4 }) => ipv4 === undefined || !ipv4.startsWith("0.")),
  family: fc.constantFrom("ipv6-first", "ipv4-only"),
  connections: fc.integer({ min: 1, max: 99 }),
} as const;

const way = fc.oneof(
  fc.record({
    kind: fc.constant("mx"),
    port: fc.integer({ min: 1, max: 65_535 }),
    ...relaySettings,
  }, {
    requiredKeys: ["kind"],
  }),
  fc.record({
    kind: fc.constant("smarthost"),
    host: domain,
    credentials: fc.record({ user: text, password: visible }),
    ...relaySettings,
    tls: fc.constant("verified"),
  }, { requiredKeys: ["kind", "host"] }),
  fc.record({
    kind: fc.constant("lmtp"),
    address: fc.oneof(fc.constant("[::1]:24"), text.map((one) => `unix:/run/${one}`)),
  }),
);

const via = fc.oneof(
  way,
  fc.record({ kind: fc.constant("pipe"), program: text, arguments: fc.array(text) }),
  fc.record({ kind: fc.constant("hold"), then: way }, { requiredKeys: ["kind"] }),
);

/** Configurations as people may write them. */
const written = fc.record({
  hostname: domain,
  domains: fc.uniqueArray(domain.map((one) => `ours.${one}`), { maxLength: 3 }),
  users: visible,
  data: visible.map((one) => `/${one}`),
  mail: fc.record({ postmaster: domain.map((one) => `me@${one}`), memory: size }, {
    requiredKeys: [],
  }),
  listeners: fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 4 })
    .chain((ports) =>
      fc.tuple(...ports.map((port) =>
        fc.record({
          role: fc.constantFrom("mx", "lmtp"),
          address: fc.constantFrom(`[::]:${port}`, `127.0.0.1:${port}`),
          name: visible,
          greetingDelay: duration,
          extensions: fc.record({ dsn: fc.boolean(), verify: fc.boolean() }, { requiredKeys: [] }),
        }, { requiredKeys: ["role", "address"] })
      ))
    ),
  limits: fc.record({ messageSize: size, timeouts: fc.record({ data: duration }) }, {
    requiredKeys: [],
  }),
  relay: fc.record({
    routes: fc.uniqueArray(domain.map((one) => `.theirs.${one}`), { maxLength: 3 }).chain((
      domains,
    ) =>
      fc.tuple(
        ...domains.map((one) =>
          fc.record({ domains: fc.constant([one]), via, accept: fc.boolean() }, {
            requiredKeys: ["domains", "via"],
          })
        ),
      )
    ),
  }),
  queue: fc.record({
    paused: fc.boolean(),
    retry: fc.record({
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      delayNotice: fc.constant(null),
    }, {
      requiredKeys: [],
    }),
    retryDomains: fc.dictionary(domain, fc.record({ lifetime: duration })),
    srsSecret: visible.map((one) => `${one} 0123456789abcdef`),
  }, { requiredKeys: [] }),
  drop: fc.record({
    senders: fc.dictionary(
      text.filter((one) => one !== "__proto__"),
      fc.oneof(fc.constant("any"), fc.array(domain)),
    ),
  }),
}, { requiredKeys: ["hostname", "listeners"] });

Deno.test("property: what is printed of a configuration reads as the same configuration", async () => {
  await fc.assert(
    fc.asyncProperty(written, async (input) => {
      const first = await load(JSON.stringify(input));
      assertEquals(first.written, configSchema.parse(input));
      const again = await load(formatConfig(first.written));
      assertEquals(again.written, first.written);
    }),
    { numRuns: 150 },
  );
});

Deno.test("a name that objects have by themselves is read and printed like any other", async () => {
  for (const name of ["constructor", "toString"]) {
    const { written } = await load(`${SMALLEST}drop: { senders: { ${name}: [a.example] } }\n`);
    const again = await load(formatConfig(written));
    assertEquals(Object.entries(again.written.drop.senders), [[name, ["a.example"]]]);
    assertEquals(again.written, written);
  }
});

Deno.test("property: no text makes loadConfig() throw anything but ConfigError", async () => {
  const sign = fc.constantFrom(
    ..."[]{}:,-?&*!|>%@`\"'#\n\t ",
    "hostname",
    "listeners",
    "1",
    "null",
  );
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(sign, { maxLength: 60 }).map((signs) => new TextEncoder().encode(signs.join(""))),
    fc.json().map((json) => new TextEncoder().encode(json)),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (octets) => {
      const machine = testMachine({ files: { "y.yaml": { text: Uint8Array.from(octets) } } });
      const error = await assertRejects(() => loadConfig("y.yaml", machine));
      assertEquals(error instanceof ConfigError && error.problems.length > 0, true);
    }),
    { numRuns: 500 },
  );
});

Deno.test("property: a wrong value at any place is a problem, and nothing worse", async () => {
  await fc.assert(
    fc.asyncProperty(written, fc.jsonValue(), fc.nat(), async (input, value, choice) => {
      const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
      const text = JSON.stringify(input, (_, holder) => {
        if (typeof holder === "object" && holder !== null) {
          for (const key of Object.keys(holder)) places.push({ holder, key });
        }
        return holder;
      });
      const place = places[choice % places.length]!;
      const before = place.holder[place.key];
      place.holder[place.key] = value;
      const changed = JSON.stringify(input);
      place.holder[place.key] = before;
      assertEquals(JSON.stringify(input), text);
      // Gives its problems, whatever they are; anything thrown but a ConfigError fails.
      for (const line of await problemsOf(changed)) assertEquals(line.includes("\n"), false);
    }),
    { numRuns: 300 },
  );
});

Deno.test("property: a duration is read back from its text", () => {
  fc.assert(fc.property(fc.nat({ max: 3650 * 86_400_000 }), (milliseconds) => {
    assertEquals(parseDuration(formatDuration(milliseconds)), milliseconds);
  }));
});

Deno.test("hideSecrets() shows no secret but the names of files", async () => {
  const { written } = await load(`${SMALLEST}relay:
  routes:
    - domains: ["*"]
      via:
        kind: hold
        then:
          kind: smarthost
          host: a.example
          credentials: { user: me, password: hunter2 }
queue: { srsSecret: hunter3hunter3hunter3 }
acme:
  agreeToTerms: true
  challenge: dns-01
  dnsHook: /hook
  externalAccount: { keyId: me, hmacKey: hunter4 }
`);
  const shown = formatConfig(hideSecrets(written));
  assertEquals(/hunter\d/.exec(shown), null);
  assertEquals(shown.match(/"\*\*\*"/g)?.length, 3);
  const file: WrittenConfig = {
    ...written,
    queue: { ...written.queue, srsSecret: { file: "srs" } },
  };
  assertEquals(hideSecrets(file).queue.srsSecret, { file: "srs" });
});

Deno.test("formatDefaults() is a configuration, but for what must be given", async () => {
  const text = formatDefaults();
  const { written } = await load(
    text.replace(/^# hostname:.*$/m, "hostname: mail.example.org")
      .replace(/^# listeners:.*$/m, 'listeners: [{ role: mx, address: "[::]:25" }]'),
  );
  const bare: ConfigInput = {
    hostname: "mail.example.org",
    listeners: [{ role: "mx", address: "[::]:25" }],
  };
  assertEquals(written, configSchema.parse(bare));
  assertEquals((await problemsOf(text)).length, 2);
  for (const key of Object.keys(z.encode(configSchema, written))) {
    assertEquals(new RegExp(`^(?:# )?${key}:`, "m").test(text), true, key);
  }
});
