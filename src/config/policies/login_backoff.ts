/**
 * The section on passwords that are guessed.
 *
 * @module
 */

import { DEFAULT_LOGIN_BACKOFF } from "../../policy/abuse/login_backoff.ts";
import { count, duration, rate, wait } from "../fields.ts";
import { z } from "../packages.ts";

/** `abuse.loginBackoff`. */
export const loginBackoffSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("Slow down and bound the guessing of passwords"),
  client: rate.default(DEFAULT_LOGIN_BACKOFF.client)
    .describe("Logins of one client to accounts it has not logged in to before"),
  network: rate.default(DEFAULT_LOGIN_BACKOFF.network)
    .describe("The same of all clients of one network (IPv4 /24, IPv6 /48)"),
  account: rate.default(DEFAULT_LOGIN_BACKOFF.account)
    .describe("Logins to one account of all clients that have not logged in to it before"),
  first: duration.default(DEFAULT_LOGIN_BACKOFF.first)
    .describe("How long the answer to a first failure waits; to each next one twice as long"),
  longest: duration.default(DEFAULT_LOGIN_BACKOFF.longest)
    .refine((milliseconds) => milliseconds <= 240_000, "wanted 4m or less")
    .describe("How long an answer waits at most"),
  memory: wait.default(DEFAULT_LOGIN_BACKOFF.memory)
    .describe("How long failures are remembered, since the last"),
  known: wait.default(DEFAULT_LOGIN_BACKOFF.known)
    .describe("How long a client is known to an account, since it last logged in"),
  sessions: count.default(DEFAULT_LOGIN_BACKOFF.sessions)
    .describe("Answers that wait at once, at most; the others are given without delay"),
}).describe("Logins that fail");
