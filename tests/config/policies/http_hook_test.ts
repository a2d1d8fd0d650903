import { assertEquals } from "@std/assert";
import { httpHookSchema } from "../../../src/config/policies/http_hook.ts";
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
