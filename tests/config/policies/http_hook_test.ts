import { assertEquals, assertRejects } from "@std/assert";
import { httpHookSchema } from "../../../src/config/policies/http_hook.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { testMachine } from "../machine.ts";
import type { HttpHookOptions } from "../../../src/policy/http_hook/http_hook.ts";

const GOOD = {
  kind: "http",
  url: "https://hook.example.org/mail",
  secret: { file: "hook-secret" },
};

Deno.test("httpHookSchema reads the options of the policy, defaults filled in", () => {
  const { kind, secret, ...read } = httpHookSchema.parse({ ...GOOD, bodyLimit: "64K" });
  const options: HttpHookOptions = { ...read, secret: "0123456789abcdef" };
  assertEquals([kind, secret], ["http", { file: "hook-secret" }]);
  assertEquals<unknown>(options, {
    url: "https://hook.example.org/mail",
    secret: "0123456789abcdef",
    stages: ["message"],
    name: "http",
    bodyLimit: 65_536,
    timeout: 10_000,
    concurrency: 50,
    answerLimit: 65_536,
    onTrouble: "defer",
  });
});

Deno.test("httpHookSchema refuses what cannot be meant", () => {
  assertEquals(httpHookSchema.safeParse(GOOD).success, true);
  const wrong = [
    { url: "hook.example.org" },
    { url: "ftp://hook.example.org/" },
    { url: "https://me:secret@hook.example.org/" },
    { secret: undefined },
    { stages: [] },
    { stages: ["data"] },
    { timeout: "0s" },
    { concurrency: 0 },
    { onTrouble: "reject" },
    { headers: {} },
  ];
  for (const change of wrong) {
    assertEquals(httpHookSchema.safeParse({ ...GOOD, ...change }).success, false);
  }
});

Deno.test("httpHookSchema: the secret in a file beside the configuration is read, and checked", async () => {
  const config = {
    hostname: "mail.example.org",
    listeners: [{ role: "mx", address: "[::]:25" }],
    filters: [GOOD, { kind: "clamav", address: "unix:clamd.ctl" }],
  };
  const text = JSON.stringify(config);
  const load = (secret: string) =>
    loadConfig(
      "/etc/yizhan/yizhan.yaml",
      testMachine({
        files: { "/etc/yizhan/yizhan.yaml": text, "/etc/yizhan/hook-secret": secret },
      }),
    );
  const { config: { filters } } = await load("0123456789abcdef\n");
  const [http, clamav] = filters;
  assertEquals(http?.kind === "http" && http.secret, "0123456789abcdef");
  assertEquals(clamav?.kind === "clamav" && clamav.address, {
    transport: "unix",
    path: "/etc/yizhan/clamd.ctl",
  });
  await assertRejects(() => load("short"), Error, "16 characters");
});
