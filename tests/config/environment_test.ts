import { assertEquals, assertRejects } from "@std/assert";
import { ENVIRONMENT_KEYS } from "../../src/config/environment.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError, formatProblem } from "../../src/config/problems.ts";
import { load, problemsOf, SMALLEST, testMachine } from "./machine.ts";

Deno.test("variables stand in place of what the file says", async () => {
  const { config } = await load(`${SMALLEST}queue:\n  retry: { first: 1m, factor: 3 }\nmail:\n`, {
    environment: {
      YIZHAN_HOSTNAME: "other.example.org",
      YIZHAN_QUEUE__RETRY__FIRST: "10m",
      YIZHAN_MAIL__POSTMASTER: "me@example.org",
      YIZHAN_LIMITS__TIMEOUTS__SESSION: "1h",
      YIZHAN_RELAY__FROM: "[192.0.2.0/24]",
      YIZHAN_MAIL__SUBADDRESS_DELIMITER: "null",
      YIZHAN_RELAY__ENABLED: "",
    },
  });
  assertEquals(config.hostname, "other.example.org");
  assertEquals([config.queue.retry.first, config.queue.retry.factor], [600_000, 3]);
  assertEquals(config.mail.postmaster, "me@example.org");
  assertEquals(config.mail.subaddressDelimiter, null);
  assertEquals(config.limits.timeouts.session, 3_600_000);
  assertEquals(config.relay.from, ["192.0.2.0/24"]);
  // An empty one says nothing.
  assertEquals(config.relay.enabled, true);
});

Deno.test("a section and a key in it can both be given", async () => {
  const { config } = await load(SMALLEST, {
    environment: {
      YIZHAN_QUEUE__RETRY__FIRST: "10m",
      YIZHAN_QUEUE: "{paused: true, retry: {first: 1m, factor: 3}}",
    },
  });
  assertEquals(config.queue.paused, true);
  assertEquals([config.queue.retry.first, config.queue.retry.factor], [600_000, 3]);
});

Deno.test("the environment alone can say all", async () => {
  const environment = {
    YIZHAN_HOSTNAME: "mail.example.org",
    YIZHAN_LISTENERS: '[{role: mx, address: "[::]:25"}]',
    YIZHAN_DATA: "/data",
  };
  const { config, paths, file } = await loadConfig(null, testMachine({ environment }));
  assertEquals(config.listeners[0]?.role, "mx");
  assertEquals([paths.queue, paths.users, file], ["/data/queue", "users", "the environment"]);
});

Deno.test("what is wrong in a variable is told with its name", async () => {
  const environment = {
    YIZHAN_LISTENERS: "[{role: mz, address: 1}]",
    YIZHAN_QUEUE__RETRY__FIRST: "soon",
    YIZHAN_MAIL: "{directry: x}",
    YIZHAN_STOP__GRACE: '"10s',
    YIZHAN_QUEUE__SRS_SECRET: "correct #horse",
  };
  const error = await assertRejects(
    () => loadConfig(null, testMachine({ environment })),
    ConfigError,
  );
  assertEquals(error.message.split("\n").sort(), [
    "YIZHAN_LISTENERS: listeners[0].address: found 1; wanted ADDRESS:PORT, [IPV6]:PORT or unix:PATH, " +
    "such as 0.0.0.0:25 or [::]:25",
    'YIZHAN_LISTENERS: listeners[0].role: found "mz"; wanted mx, submission, submissions or lmtp; did ' +
    "you mean mx?",
    "YIZHAN_MAIL: mail.directry: there is no such key; did you mean directory?",
    'YIZHAN_QUEUE__RETRY__FIRST: queue.retry.first: found "soon"; wanted a duration, such as 30s, 6m, ' +
    "4h or 5d (ten years at most)",
    "YIZHAN_QUEUE__SRS_SECRET: has a # that begins a comment in YAML; put the value in quotes",
    "YIZHAN_STOP__GRACE: a sign is missing, such as : after a key, a closing quote, ] or }",
    "the environment: hostname: is missing (This machine's name in DNS, said in greetings); give it as " +
    "YIZHAN_HOSTNAME",
  ]);
});

Deno.test("a variable that gives no key is warned of, where they can be listed", async () => {
  const environment = {
    YIZHAN_HOSTNAM: "a.example",
    YIZHAN_CONFIG: "x",
    HOME: "/",
  };
  const { warnings } = await load(SMALLEST, { environment });
  assertEquals(warnings.map(formatProblem), [
    "YIZHAN_HOSTNAM: gives no key of the configuration; did you mean YIZHAN_HOSTNAME?",
  ]);
  assertEquals((await load(SMALLEST, { environment, listed: false })).warnings, []);
});

Deno.test("ENVIRONMENT_KEYS has each key that is not below a list, under a name of its own", () => {
  const names = ENVIRONMENT_KEYS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  const path = (name: string) => ENVIRONMENT_KEYS.find((key) => key.name === name)?.path.join(".");
  assertEquals(path("YIZHAN_LIMITS__REFUSED_RECIPIENTS"), "limits.refusedRecipients");
  assertEquals(path("YIZHAN_TLS__CERTIFICATES"), "tls.certificates");
  assertEquals(path("YIZHAN_TLS__CERTIFICATES__KEY"), undefined);
});

Deno.test("variables are not asked for but by the names of keys", async () => {
  const asked = new Set<string>();
  const machine = testMachine({ files: { "yizhan.yaml": SMALLEST } });
  const environment = (name: string) => void asked.add(name);
  await loadConfig("yizhan.yaml", { ...machine, environment });
  assertEquals([...asked].sort(), ENVIRONMENT_KEYS.map(({ name }) => name).sort());
});

Deno.test("a variable of a megabyte, or of brackets, is one problem", async () => {
  for (const value of ["x".repeat(2 << 20), "[".repeat(1 << 20)]) {
    const lines = await problemsOf(SMALLEST, { environment: { YIZHAN_DOMAINS: value } });
    assertEquals(lines.map((line) => line.split(":")[0]), ["YIZHAN_DOMAINS"]);
  }
});
