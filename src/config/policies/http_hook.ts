/**
 * A filter of kind `http`: a program elsewhere is asked about mail. What is read is the options of the policy
 * (`policy/http_hook/http_hook.ts`) beside its kind, once the secret is a text.
 *
 * @module
 */

import { HOOK_STAGES } from "../../policy/http_hook/hook_request.ts";
import {
  DEFAULT_ANSWER_LIMIT,
  DEFAULT_HOOK_CONCURRENCY,
  DEFAULT_HOOK_TIMEOUT,
} from "../../policy/http_hook/http_hook.ts";
import { count, secret, size, wait } from "../fields.ts";
import { z } from "../packages.ts";

const URL_WANTED = "wanted a URL with http: or https: and no password in it";

/** Whether a text is a URL that a hook may have. */
function isHookUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return ["http:", "https:"].includes(protocol) && username === "" && password === "";
}

/** The section. */
export const httpHookSchema = z.strictObject({
  kind: z.literal("http").describe(
    "A program of yours is asked by HTTP, and answers with a verdict",
  ),
  url: z.string(URL_WANTED).refine(isHookUrl, URL_WANTED)
    .meta({ title: "URL", examples: ["https://hook.example.org/mail"] })
    .describe(
      "Where it is asked; http: only within a network you trust, as mail goes in clear then",
    ),
  secret: secret.describe(
    "Signs every request (Standard Webhooks): 16 characters or more, or whsec_ and base64",
  ),
  stages: z.array(z.enum(HOOK_STAGES)).min(1, "wanted at least one stage").default(["message"])
    .describe("When it is asked"),
  name: z.string().regex(/^\P{C}{1,60}$/u, "wanted a name, 60 characters at most").default("http")
    .describe("Its name in the log"),
  bodyLimit: size.default(0).describe("How much of a message's body it gets, from the beginning"),
  timeout: wait.default(DEFAULT_HOOK_TIMEOUT).describe("For its answer"),
  concurrency: count.default(DEFAULT_HOOK_CONCURRENCY).describe("Requests at once; others wait"),
  answerLimit: size.default(DEFAULT_ANSWER_LIMIT).describe(
    "The longest answer; more is for hooks that replace bodies",
  ),
  onTrouble: z.enum(["defer", "accept"]).default("defer").describe(
    "Where it gives no answer, or a wrong one. defer: 451 4.7.1. accept: as if it had accepted",
  ),
});

/** As it is once it was read. */
export type HttpHookConfig = z.output<typeof httpHookSchema>;
