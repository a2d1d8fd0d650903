import { assertEquals } from "@std/assert";
import { checkFilters } from "../../src/cli/check/check_filters.ts";
import type { CheckContext } from "../../src/cli/check/finding.ts";
import { type ConfigInput, configSchema } from "../../src/config/schema.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

const runtime = memoryRuntime();
runtime.resolver.set("2.0.0.127.good.test", { a: ["127.0.0.2"] });
runtime.resolver.set("2.0.0.127.all.test", { a: ["127.0.0.2"] });
runtime.resolver.set("1.0.0.127.all.test", { a: ["127.0.0.2"] });
// Its answer to who may not ask: https://docs.spamhaus.com/ has these codes.
runtime.resolver.set("2.0.0.127.paid.test", { a: ["127.255.255.254"] });
runtime.resolver.set("2.0.0.127.parked.test", { a: ["192.0.2.1"] });
runtime.resolver.set("test.names.test", { a: ["127.0.1.2"] });
runtime.resolver.failures.set("2.0.0.127.silent.test", "servfail");

function check(config: Partial<ConfigInput>) {
  const listeners = [{ role: "mx", address: "127.0.0.1:25" }];
  const whole = configSchema.parse({ hostname: "mx.example.test", listeners, ...config });
  return checkFilters({ loaded: { config: whole } as unknown as CheckContext["loaded"], runtime });
}

/** What it finds, a line for each. */
async function find(config: Partial<ConfigInput>): Promise<string[]> {
  const found = await check(config);
  return found.map(({ level, message }) => `${level}: ${message}`);
}

Deno.test("checkFilters() says which lists in DNS are of no use, and why", async () => {
  const zones = ["good", "all", "paid", "parked", "dead", "silent"].map((name) => `${name}.test`);
  const lists = [
    ...zones.map((zone) => ({ zone })),
    { zone: "names.test", kind: "sender-domain", name: "Names" } as const,
  ];
  assertEquals(await find({ abuse: { dnsLists: { lists } } }), [
    "ok: the list good.test answers",
    "warning: the list all.test is of no use: it lists 127.0.0.1, so it would list everybody",
    "warning: the list paid.test is of no use: it does not serve this name server (127.255.255.254)",
    "warning: the list parked.test is of no use: it answers 192.0.2.1, which is not in 127.0.0.0/8",
    "warning: the list dead.test is of no use: it does not list 127.0.0.2, so it is dead",
    "warning: the list silent.test is of no use: it does not answer (servfail)",
    "ok: the list Names answers",
  ]);
});

Deno.test("checkFilters() says which filters cannot be asked, and what becomes of mail", async () => {
  const filters: ConfigInput["filters"] = [
    { kind: "milter", name: "rspamd", address: "127.0.0.1:11332", onTrouble: "reject" },
    { kind: "milter", name: "signer", address: "127.0.0.1:8891", roles: ["submission", "submit"] },
    { kind: "clamav", address: "unix:/run/clamd.ctl", onTrouble: "accept" },
    { kind: "http", url: "http://[::1]/hook?key=hidden", secret: "a secret for hooks" },
  ];
  const found = await find({ filters });
  assertEquals(found.map((line) => line.replace(/ cannot be asked: .*; /, " … ")), [
    "warning: the filter rspamd at 127.0.0.1:11332 … all mail is refused (550) until it does (onTrouble: reject)",
    "warning: the filter signer at 127.0.0.1:8891 … all mail of submission, submit is put off (451) until it does (onTrouble: defer)",
    "warning: the filter clamav at unix:/run/clamd.ctl … mail passes unfiltered until it does (onTrouble: accept)",
    "warning: the filter http at http://[::1]/hook … all mail is put off (451) until it does (onTrouble: defer)",
  ]);
});
