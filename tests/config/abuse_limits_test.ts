import { assertEquals } from "@std/assert";
import { accountsSchema } from "../../src/config/policies/accounts.ts";
import { bounceStormsSchema } from "../../src/config/policies/bounce_storms.ts";
import { ratesSchema } from "../../src/config/policies/rates.ts";
import { z } from "../../src/config/packages.ts";
import {
  type AccountLimitOptions,
  DEFAULT_ACCOUNT_RATES,
} from "../../src/policy/abuse/accounts.ts";
import {
  type BounceStormOptions,
  DEFAULT_BOUNCE_RATES,
} from "../../src/policy/abuse/bounce_storms.ts";
import {
  DEFAULT_CONNECTION_RATES,
  DEFAULT_MESSAGE_RATES,
  type MessageRateOptions,
} from "../../src/policy/abuse/rates.ts";

Deno.test("sections on limits have the defaults of the policies", () => {
  const { connections, ...mail } = ratesSchema.parse({});
  assertEquals(connections, DEFAULT_CONNECTION_RATES);
  assertEquals(mail satisfies MessageRateOptions, { enabled: true, ...DEFAULT_MESSAGE_RATES });
  const accounts: AccountLimitOptions = accountsSchema.parse({});
  assertEquals(accounts as unknown, { enabled: true, ...DEFAULT_ACCOUNT_RATES, accounts: {} });
  const storms: BounceStormOptions = bounceStormsSchema.parse({});
  assertEquals(storms as unknown, { enabled: true, ...DEFAULT_BOUNCE_RATES });
});

Deno.test("sections on limits are printed as they are written", () => {
  const written = {
    messages: "10/1h",
    newRecipients: null,
    accounts: { "news@example.org": { messages: null, recipientsDaily: "50000/1d" } },
  };
  const parsed = accountsSchema.parse(written);
  assertEquals(parsed.accounts, {
    "news@example.org": { messages: null, recipientsDaily: { count: 50_000, per: 86_400_000 } },
  });
  assertEquals(z.encode(accountsSchema, parsed), {
    ...written,
    enabled: true,
    recipientsHourly: "500/1h",
    recipientsDaily: "3000/1d",
  });
  assertEquals(accountsSchema.safeParse({ accounts: { news: {} } }).success, false);
});
