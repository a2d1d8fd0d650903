/**
 * The configuration: what each key means, what it may be, and what holds where it is not given. From
 * this come the type, the check of a file, the JSON Schema for editors (`yizhan config schema`), the list
 * of defaults (`yizhan config print --defaults`) and the reference in `docs/`.
 *
 * Relative paths are relative to the folder of the file; those of `mail.directory`, `queue.directory`
 * and `drop.directory` to `data`.
 *
 * @module
 */

import { DEFAULT_SCHEDULER_LIMITS } from "../delivery/scheduler.ts";
import { DEFAULT_SCHEDULE } from "../queue/retry.ts";
import { DEFAULT_BODY_MEMORY } from "../queue/body_store.ts";
import { DEFAULT_SUBADDRESS_DELIMITER } from "../routing/subaddress.ts";
import { DEFAULT_CONNECTION_LIMITS } from "../server/listener.ts";
import { DEFAULT_LIMITS } from "../server/roles.ts";
import {
  count,
  domain,
  domainPattern,
  duration,
  host,
  hostname,
  ipAddress,
  ipv4Address,
  ipv6Address,
  mailAddress,
  nameServer,
  network,
  path,
  port,
  relayNetwork,
  secret,
  size,
  socketAddress,
  wait,
} from "./fields.ts";
import { z } from "./packages.ts";
import { abuseSchema } from "./policies/abuse.ts";
import { authenticationSchema } from "./policies/authentication.ts";
import { filterSchema } from "./policies/filters.ts";
import { reportsSchema } from "./reports.ts";
import { acmeSchema, webSchema } from "./web.ts";

const tlsLevel = z.enum(["none", "opportunistic", "required", "dane", "verified"]);

const timeouts = z.strictObject({
  command: wait.default(DEFAULT_LIMITS.timeouts.command)
    .describe("For the next command, and from its first octet to its last (RFC 5321 §4.5.3.2)"),
  data: wait.default(DEFAULT_LIMITS.timeouts.data)
    .describe("For the next octets of a message; also what bodyRate is an average over"),
  reply: wait.default(DEFAULT_LIMITS.timeouts.reply)
    .describe("For a client to read what it is answered"),
  handshake: wait.default(DEFAULT_LIMITS.timeouts.handshake).describe("For a TLS handshake"),
  message: wait.default(DEFAULT_LIMITS.timeouts.message).describe("For a whole message"),
  withoutMail: wait.default(DEFAULT_LIMITS.timeouts.withoutMail)
    .describe("For a session until its first message is there, and from each to the next"),
  session: wait.default(DEFAULT_LIMITS.timeouts.session).describe("For a whole session"),
});

const limits = z.strictObject({
  // RFC 5321 §4.5.3.1.7; and SIZE 0 would mean that there is no limit (RFC 1870 §4).
  messageSize: size.refine(
    (octets) => octets >= 64 * 1024,
    "wanted 64K or more (RFC 5321 §4.5.3.1.7)",
  )
    .default(DEFAULT_LIMITS.messageSize).describe("The largest message (SIZE)"),
  recipients: z.int().min(100, "wanted 100 or more (RFC 5321 §4.5.3.1.8)")
    .default(DEFAULT_LIMITS.recipients).describe("Recipients of a message"),
  refusedRecipients: count.default(DEFAULT_LIMITS.refusedRecipients)
    .describe("Refused recipients before a session is ended"),
  messages: count.default(DEFAULT_LIMITS.messages).describe(
    "Messages in a session; clients in `relay.from` may send more",
  ),
  errors: count.default(DEFAULT_LIMITS.errors).describe(
    "Refused commands before a session is ended",
  ),
  idleCommands: count.default(DEFAULT_LIMITS.idleCommands)
    .describe("Commands that bring no mail forward (NOOP, RSET, VRFY) in a session"),
  failedLogins: count.default(DEFAULT_LIMITS.failedLogins)
    .describe("Failed logins before a session is ended"),
  bodyRate: z.int("wanted a whole number").min(0, "wanted 0 or more")
    .default(DEFAULT_LIMITS.bodyRate)
    .describe("Octets a second at which a message must come, else it is cut off; 0: at any"),
  connections: count.default(DEFAULT_CONNECTION_LIMITS.connections).describe(
    "Connections at once, of one listener",
  ),
  connectionsPerClient: count.default(DEFAULT_CONNECTION_LIMITS.connectionsPerClient)
    .describe(
      "Connections at once from one address (IPv6: one /64), to all listeners; loopback is exempt",
    ),
  timeouts: timeouts.prefault({}).describe("How long each wait may last"),
});

const extensions = z.strictObject({
  pipelining: z.boolean().describe("Commands in groups (RFC 2920)"),
  eightBitMime: z.boolean().describe("8-bit text (RFC 6152)"),
  smtputf8: z.boolean().describe("Addresses in all alphabets (RFC 6531)"),
  chunking: z.boolean().describe("BDAT in place of DATA (RFC 3030)"),
  binaryMime: z.boolean().describe("Binary content (RFC 3030); needs the queue"),
  dsn: z.boolean().describe("Delivery notices on demand (RFC 3461); needs the queue"),
  requireTls: z.boolean().describe("TLS all the way, or not at all (RFC 8689)"),
  etrn: z.boolean().describe("Mail held for a domain is asked for (RFC 1985)"),
  verify: z.boolean().describe("VRFY answers who is here"),
  expand: z.boolean().describe("EXPN answers what an alias stands for"),
  auth: z.array(z.enum(["SCRAM-SHA-256", "PLAIN", "LOGIN"])).describe("Ways to log in (RFC 4954)"),
}).partial();

const listener = z.strictObject({
  role: z.enum(["mx", "submission", "submissions", "lmtp"]).describe(
    "mx: mail from other servers, usually port 25. submission: from your users by STARTTLS and AUTH " +
      "(587). submissions: the same with TLS from the start (465). lmtp: from a server of yours",
  ),
  address: socketAddress.describe("Where it listens: ADDRESS:PORT, [IPV6]:PORT or unix:PATH"),
  name: z.string().regex(/^\P{C}{1,60}$/u, "wanted a name, 60 characters at most")
    .meta({ examples: ["mx-ipv6"] }).optional().describe(
      "Its name in the log and in metrics; default the role",
    ),
  // With the host name it stands on one line of a reply (RFC 5321 §4.5.3.1.5).
  banner: z.string().regex(/^[\x20-\x7e]{1,200}$/, "wanted printable ASCII, 200 characters at most")
    .optional()
    .describe("What the greeting says after the host name; default ESMTP"),
  greetingDelay: duration.default(0)
    .describe(
      "How long the greeting waits for clients that talk too early (5s turns many bots away)",
    ),
  refuseEarlyTalk: z.boolean().optional()
    .describe(
      "Turn away who talks before the greeting, or on after EHLO (RFC 2920 §3.1); default true, " +
        "for lmtp false",
    ),
  extensions: extensions.default({})
    .describe("Extensions to switch on or off; what is not named is as the role has it"),
}).describe("A listener");

const credentials = z.strictObject({
  user: z.string().min(1).describe("The login name"),
  password: secret.describe("Its password, or file: PATH"),
  allowUnverified: z.boolean().default(false)
    .describe("Say the password though the certificate is not verified"),
});

const relaySettings = {
  tls: tlsLevel.optional().describe(
    "none; opportunistic: where offered, with any certificate; required: with any certificate, else " +
      "the mail waits; dane: with one that TLSA records vouch for; verified: with a valid one for the " +
      "name. Default opportunistic, with credentials verified",
  ),
  dane: z.boolean().optional().describe(
    "Obey TLSA records (RFC 7672) where relay.dnssec lets them be believed. Default for mx true, " +
      "for a smarthost false",
  ),
  authorities: z.array(path).default([])
    .describe("PEM files of authorities to trust beside the system's, for verified"),
  source: z.strictObject({
    ipv4: ipv4Address.optional().describe("To IPv4 hosts"),
    ipv6: ipv6Address.optional().describe("To IPv6 hosts"),
  }).optional()
    .describe("Our addresses to connect from"),
  family: z.enum(["ipv6-first", "ipv4-first", "ipv6-only", "ipv4-only"]).default("ipv6-first")
    .describe("Which addresses to try first, or only"),
  allowAddresses: z.array(network).default([])
    .describe("Networks that DNS may lead us to though they are loopback, link-local or the like"),
  connections: count.default(20).describe("Connections at once"),
  eightBit: z.enum(["convert", "convert-first", "bounce"]).default("convert")
    .describe(
      "What becomes of 8-bit mail that the next server cannot take: it is made 7-bit, but returned where it is " +
        "signed (DKIM). convert-first: the server is known to take 7-bit only, so mail that is signed here is " +
        "made 7-bit before",
    ),
};

const mx = z.strictObject({
  kind: z.literal("mx").describe("To whoever DNS names for the domain (RFC 5321 §5.1)"),
  port: port.default(25).describe("At their hosts"),
  mtaSts: z.boolean().default(true).describe(
    "Obey the domain's MTA-STS policy (RFC 8461), where tls is not none; authorities are trusted for it too",
  ),
  ...relaySettings,
});

const smarthost = z.strictObject({
  kind: z.literal("smarthost").describe("To one host, such as a provider's server"),
  host: host.describe("A host name or IP address"),
  port: port.optional()
    .describe("Default 587 with credentials, 465 with implicitTls, else 25"),
  implicitTls: z.boolean().default(false).describe("TLS from the first octet (port 465)"),
  credentials: credentials.optional().describe("How to log in there"),
  ...relaySettings,
});

const lmtp = z.strictObject({
  kind: z.literal("lmtp").describe("To an LMTP server, such as Dovecot's; the end of the road"),
  address: socketAddress.refine((to) => to.transport === "unix" || to.port > 0, "wanted its port")
    .meta({ title: "ADDRESS:PORT", examples: ["unix:/run/dovecot/lmtp", "127.0.0.1:24"] })
    .describe("Where it listens"),
  connections: count.default(10).describe("Connections at once"),
});

const pipe = z.strictObject({
  kind: z.literal("pipe").describe("Into a program, once for each recipient; the end of the road"),
  program: z.string().min(1).describe("Its path, or a name in the system's path"),
  arguments: z.array(z.string()).default([])
    .describe("May hold {recipient}, {user}, {tag}, {domain} and {sender}; there is no shell"),
  processes: count.default(4).describe("At once"),
});

const hold = z.strictObject({
  kind: z.literal("hold").describe(
    "Kept until the domain's server asks by ETRN, or an operator says so",
  ),
  then: z.discriminatedUnion("kind", [mx, smarthost, lmtp]).prefault({ kind: "mx" })
    .describe("The way it goes then"),
});

const route = z.strictObject({
  domains: z.array(domainPattern).min(1, 'wanted at least one domain, or "*"')
    .describe(
      "For whom: example.org, .example.org for all below it, * for all that no other route names",
    ),
  accept: z.boolean().default(false)
    .describe("Take mail for these domains from anybody (backup MX, gateway)"),
  via: z.discriminatedUnion("kind", [mx, smarthost, lmtp, pipe, hold]).describe("The way it goes"),
}).describe("How mail for some domains goes");

const SENDER = "wanted an address or a domain, such as alice@example.org or example.org";
const SENDERS = "wanted any, or a list of addresses and domains";

const schedule = z.strictObject({
  first: wait.describe("From the first attempt to the second"),
  factor: z.number().min(1).describe("How much longer each wait is than the one before"),
  longest: wait.describe("The longest wait"),
  jitter: z.number().min(0).lt(1).describe("The part of each wait that chance may add or take"),
  // Addresses that SRS made are good for 21 days: a bounce must find its way to the very end.
  lifetime: wait.refine(
    (milliseconds) => milliseconds <= 20 * 86_400_000,
    "wanted 20d at most: addresses rewritten by SRS end soon after",
  )
    .describe("How long mail is tried before it is returned"),
  noticeLifetime: wait.describe("The same for mail without a sender: notices"),
  delayNotice: wait.nullable()
    .describe("After how long a sender of ours is told that mail still waits; null: never"),
});

const account = z.string("wanted a name, or a number in quotes").regex(
  /^(?:[A-Za-z_][\w.-]{0,31}|\d{1,10})$/,
  "wanted a name, or a number in quotes",
).meta({ title: "account", examples: ["yizhan"] });

/** As a file has it at its top. The order is that of the documentation. */
export const configSchema = z.strictObject({
  version: z.literal(1).default(1).describe("The version of this format"),
  hostname: hostname.describe(
    "This machine's name in DNS, said in greetings; its address should lead back to it (PTR)",
  ),
  addresses: z.array(ipAddress).default([]).describe(
    "This machine's addresses as DNS has them, where listeners do not say so (0.0.0.0, [::], NAT)",
  ),
  domains: z.array(domain).default([])
    .describe("Domains of ours, beside those that the users file names"),
  users: path.default("users").describe("The users file, see yizhan user"),
  data: path.default("data").describe("The folder of all that the server keeps"),
  user: account.optional().describe(
    "Whom a server becomes that root starts, once it listens; name or number in /etc/passwd",
  ),
  group: account.optional().describe("Its group, name or number in /etc/group; default the user's"),
  mail: z.strictObject({
    directory: path.default("mail").describe("The mailboxes (Maildirs), DOMAIN/USER; in data"),
    postmaster: mailAddress.optional()
      .describe("Who gets mail for postmaster, where the users file does not say"),
    subaddressDelimiter: z.string().regex(
      /^[!#$%&'*+\-./=?^_`{|}~]$/,
      "wanted one sign that users' names do without, such as + or -",
    )
      .nullable().default(DEFAULT_SUBADDRESS_DELIMITER)
      .describe("Between user and tag (user+tag); null for none"),
    memory: size.default(DEFAULT_BODY_MEMORY).describe(
      "Memory for messages under way; larger ones use the disk",
    ),
  }).prefault({}).describe("Mail that ends here"),
  listeners: z.array(listener).min(1, "wanted at least one listener").describe(
    "Where mail comes in",
  ),
  limits: limits.prefault({}).describe("How much one client may do"),
  tls: z.strictObject({
    certificates: z.array(z.strictObject({
      certificate: path.describe("The certificate and its chain, PEM"),
      key: path.describe("Its private key, PEM"),
    })).default([]).describe("SNI chooses among several; the first answers where no name fits"),
  }).prefault({}).describe(
    "Certificates for STARTTLS and TLS from the start; renewed files are seen",
  ),
  acme: acmeSchema.optional(),
  web: webSchema.prefault({}),
  relay: z.strictObject({
    enabled: z.boolean().default(true)
      .describe("false: mail only ends here; nothing is queued and nobody is connected to"),
    from: z.array(relayNetwork).default([]).describe("Networks that may relay without AUTH"),
    routes: z.array(route).default([])
      .describe("How mail for others goes; what is not named goes to whoever DNS names"),
    nameServers: z.array(nameServer).default([])
      .describe("Who is asked for names; default those of /etc/resolv.conf"),
    dnssec: z.enum(["auto", "on", "off"]).default("auto").describe(
      "Whether these are trusted to have checked DNSSEC, which DANE needs. auto: where all of them are on " +
        "this machine, or resolv.conf says trust-ad; never Docker's 127.0.0.11, which only hands on",
    ),
  }).prefault({}).describe("Mail that goes on"),
  queue: z.strictObject({
    directory: path.default("queue").describe("Where mail waits; in data"),
    paused: z.boolean().default(false)
      .describe("Take mail, and deliver only what yizhan queue retry names"),
    retry: z.strictObject({
      first: schedule.shape.first.default(DEFAULT_SCHEDULE.first),
      factor: schedule.shape.factor.default(DEFAULT_SCHEDULE.factor),
      longest: schedule.shape.longest.default(DEFAULT_SCHEDULE.longest),
      jitter: schedule.shape.jitter.default(DEFAULT_SCHEDULE.jitter),
      lifetime: schedule.shape.lifetime.default(DEFAULT_SCHEDULE.lifetime),
      noticeLifetime: schedule.shape.noticeLifetime.default(DEFAULT_SCHEDULE.noticeLifetime),
      delayNotice: schedule.shape.delayNotice.default(DEFAULT_SCHEDULE.delayNotice),
    }).prefault({}).describe("When mail is tried again"),
    retryDomains: z.record(domainPattern, schedule.partial()).default({})
      .describe("What differs for a domain, or .example.org for all below it"),
    concurrency: count.default(DEFAULT_SCHEDULER_LIMITS.concurrency)
      .describe("Deliveries at once, to all destinations together"),
    srsSecret: secret.optional()
      .describe("Signs senders of forwarded mail; default kept in the queue's folder"),
  }).prefault({}).describe("The queue"),
  abuse: abuseSchema.prefault({}),
  authentication: authenticationSchema.prefault({}),
  filters: z.array(filterSchema).default([]).describe(
    "Programs that look at mail before it is taken, in this order",
  ),
  drop: z.strictObject({
    enabled: z.boolean().default(true).describe("Whether yizhan send and sendmail may leave mail"),
    directory: path.default("drop").describe("Where they leave it, mode 3733; in data"),
    interval: wait.default(3000).describe("How often it is looked at; a nudge comes at once"),
    senders: z.record(
      z.string(),
      z.union([z.literal("any"), z.array(z.union([mailAddress, domain], SENDER))], SENDERS),
    )
      .default({})
      .describe(
        "Who may send as whom: a user of this machine (name or number) to addresses and domains, or " +
          "any. Root and the server's own user: any. Others: their own name at hostname",
      ),
  }).prefault({}).describe("Mail from programs on this machine"),
  dkim: z.strictObject({
    directory: path.default("dkim").describe(
      "The keys: DOMAIN/SELECTOR.pem, as yizhan init makes them",
    ),
    selector: z.string().regex(
      // A name in DNS (RFC 6376 §3.1), with room for what later keys have behind it.
      /^(?=.{1,40}$)[A-Za-z0-9](?:-*[A-Za-z0-9])*(?:\.[A-Za-z0-9](?:-*[A-Za-z0-9])*)*$/,
      "wanted letters, digits, dots and dashes, 40 at most, such as yizhan",
    ).default("yizhan")
      .describe(
        "Which of them signs, and beside it the one whose name has -ed25519 behind it; where there is a file " +
          "DOMAIN/keys, that says which (yizhan dkim)",
      ),
    sign: z.boolean().default(true).describe(
      "Sign mail of users who have logged in, of clients in relay.from and of programs on this machine, " +
        "where there is a key for the domain in From or one above it",
    ),
  }).prefault({}).describe("DKIM: keys and signatures (RFC 6376)"),
  reports: reportsSchema.prefault({}),
  log: z.strictObject({
    format: z.enum(["auto", "json", "text"]).default("auto")
      .describe("auto: text on a terminal, JSON lines elsewhere"),
  }).prefault({}).describe("The log, on standard output"),
  monitor: z.strictObject({
    address: socketAddress.meta({ examples: ["127.0.0.1:9125", "unix:monitor.sock"] }).optional()
      .describe("Where /metrics, /healthz and /readyz are; absent: nowhere. Keep it to yourself"),
  }).prefault({}).describe("Metrics and health over HTTP"),
  workers: z.int().min(1, "wanted 1 to 64").max(64, "wanted 1 to 64").default(1).describe(
    "Threads that take mail and deliver it, each with a queue of its own: as many as there are cores",
  ),
  stop: z.strictObject({
    grace: duration.default(10_000)
      .describe("How long sessions and deliveries may go on after a signal to stop"),
  }).prefault({}).describe("The end"),
});

/** A configuration as it is written, with every default filled in: milliseconds, octets, addresses. */
export type WrittenConfig = z.output<typeof configSchema>;

/** A configuration ready for use: secrets that lie in files are their texts. */
export type Config = WithSecrets<WrittenConfig>;

/** A configuration as it stands in a file. */
export type ConfigInput = z.input<typeof configSchema>;

type WithSecrets<T> = T extends { file: string } ? string
  : T extends readonly (infer E)[] ? WithSecrets<E>[]
  : T extends object ? { [K in keyof T]: WithSecrets<T[K]> }
  : T;
