/**
 * The section on what accounts may send.
 *
 * @module
 */

import { DEFAULT_ACCOUNT_RATES } from "../../policy/abuse/accounts.ts";
import { mailAddress, rate } from "../fields.ts";
import { z } from "../packages.ts";

const MEANINGS = {
  messages: "Mails of an account; null: no limit",
  recipientsHourly: "Recipients of its mails, in a short time",
  recipientsDaily: "Recipients of its mails, in a long time",
  newRecipients: "Recipients that it has not written to for 90 days",
} as const;

/** `abuse.accounts`. */
export const accountsSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("Bound what an account sends"),
  messages: usual("messages"),
  recipientsHourly: usual("recipientsHourly"),
  recipientsDaily: usual("recipientsDaily"),
  newRecipients: usual("newRecipients"),
  accounts: z.record(
    mailAddress,
    z.strictObject({
      messages: own("messages"),
      recipientsHourly: own("recipientsHourly"),
      recipientsDaily: own("recipientsDaily"),
      newRecipients: own("newRecipients"),
    }),
  ).default({}).describe("Accounts that have other limits, such as one that sends newsletters"),
}).describe("What an account may send, so that a stolen password does not send a million mails");

function usual(name: keyof typeof MEANINGS) {
  return rate.nullable().default(DEFAULT_ACCOUNT_RATES[name]).describe(MEANINGS[name]);
}

function own(name: keyof typeof MEANINGS) {
  return rate.nullable().optional().describe(MEANINGS[name]);
}
