/**
 * The section on lists in DNS of clients and domains.
 *
 * @module
 */

import { parseDomain } from "../../address.ts";
import { parseAnswerPattern } from "../../policy/dns/answer_pattern.ts";
import { DEFAULT_REJECT_SCORE } from "../../policy/dns/dns_lists.ts";
import { DEFAULT_DNS_TIMEOUT } from "../../policy/dns/dns_time.ts";
import { wait } from "../fields.ts";
import { z } from "../packages.ts";

const score = z.number("wanted a number").min(0.001, "wanted more than 0");
const weight = z.number("wanted a number, below 0 for those who are welcome");

const PATTERN = "wanted a pattern such as 127.0.0.2, 127.0.0.4-7 or 127.0.0.x";

const list = z.strictObject({
  zone: z.string().refine((text) => parseDomain(text) !== null, "wanted a zone, such as bl.example")
    .meta({ title: "zone", examples: ["zen.spamhaus.org"] })
    .describe("Its zone in DNS"),
  name: z.string().regex(/^[ -~]{1,60}$/, "wanted printable ASCII, 60 characters at most")
    .meta({ examples: ["Spamhaus ZEN"] }).optional()
    .describe("Its name for clients and the log, where the zone holds a key; default the zone"),
  kind: z.enum(["address", "sender-domain", "hello"]).default("address")
    .describe("What it lists: clients' addresses, domains of senders, or names said in HELO"),
  weight: weight.default(1).describe("What an entry counts; below 0 on a list of who is welcome"),
  answers: z.record(
    z.string().refine((text) => parseAnswerPattern(text) !== null, PATTERN),
    weight,
    PATTERN,
  ).optional()
    .describe(
      "What entries count by the answer, in place of weight: 127.0.0.2, 127.0.0.4-7, 127.0.0.x. " +
        "The first that fits counts, others nothing",
    ),
  test: z.boolean().default(true)
    .describe("Whether it has the entries to test it by (RFC 5782 §5), as nearly all have"),
}).describe("A list");

/** `abuse.dnsLists`. */
export const dnsListsSchema = z.strictObject({
  lists: z.array(list).default([])
    .describe("The lists to ask (RFC 5782). Read whom they serve, and for what price"),
  reject: score.nullable().default(DEFAULT_REJECT_SCORE)
    .describe("The sum of weights from which mail is refused (554); null: never"),
  defer: score.nullable().default(null)
    .describe("The sum of weights from which it is put off (451); null: never"),
  explain: z.boolean().default(true)
    .describe("Tell who is refused what the list says of the entry (TXT)"),
  timeout: wait.default(DEFAULT_DNS_TIMEOUT)
    .describe("How long lists may take; what has not come by then counts nothing"),
}).describe("Lists in DNS of clients and domains to refuse or to welcome");
