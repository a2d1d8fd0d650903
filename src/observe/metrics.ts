/**
 * Events as numbers: what came in, what became of it, and how long that took, since the process began. A
 * watcher of events like the log; it costs a few additions an event, and keeps nothing of any of them.
 *
 * What strangers choose (addresses, names, subjects, the hosts mail goes to) is never a label. Listeners,
 * reasons and stages are words of ours and of the configuration, and bounded all the same.
 *
 * How the queue, the disk and the process are now is not in the events: see `queue_sample.ts` and
 * `admin/gauges.ts`.
 *
 * @module
 */

import type { EventSink, MtaEvent } from "../events.ts";
import { Histogram, OTHER, Tally } from "./instruments.ts";
import type { MetricFamily } from "./open_metrics.ts";

type Authenticated = MtaEvent & { readonly type: "message.authenticated" };

/**
 * Counts events.
 *
 * @example
 * ```ts
 * import { Metrics } from "./metrics.ts";
 * import { formatMetrics } from "./open_metrics.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const metrics = new Metrics();
 * metrics.record({ time: 0, type: "session.opened", session: "a", listener: "mx", client: "::1" });
 * assertStringIncludes(
 *   formatMetrics(metrics.families(), "text"),
 *   'yizhan_sessions_total{listener="mx"} 1\n',
 * );
 * ```
 */
export class Metrics {
  readonly #sessions = counter("sessions", "Sessions that were opened.", ["listener"]);
  readonly #open = new Tally("gauge", {
    name: "yizhan_sessions_open",
    help: "Sessions that are open.",
    labels: ["listener"],
  });
  readonly #turnedAway = counter(
    "sessions_refused",
    "Connections that were closed at once, because there were too many.",
    ["listener", "reason"],
  );
  readonly #closed = counter("sessions_closed", "Sessions that have ended.", ["reason"]);
  readonly #sessionTime = seconds("session_duration", "How long sessions lasted.", LONG);
  readonly #faults = counter(
    "session_faults",
    "What clients did wrong: commands that are none (refused), smuggling, talking too early.",
    ["kind"],
  );
  readonly #banned = counter(
    "clients_banned",
    "Bans of clients and networks, by reason.",
    ["reason"],
  );
  readonly #handshakes = counter(
    "tls_handshakes",
    "TLS that began with clients, by protocol and family of ciphers.",
    ["protocol", "cipher"],
  );
  readonly #tlsFailures = counter("tls_failures", "TLS handshakes with clients that failed.");
  readonly #logins = counter("logins", "Logins (AUTH).", ["mechanism", "result"]);
  readonly #commands = counter(
    "commands_refused",
    "Commands that a policy, the directory or a limit refused.",
    ["stage", "code"],
  );
  readonly #policies = counter(
    "policy_refusals",
    "Commands and messages that policies refused (5xx) or put off (4xx): limits and filters.",
    ["policy", "code"],
  );
  readonly #messages = counter(
    "messages",
    "Messages that clients and programs brought, by what they were told.",
    ["outcome"],
    [["accepted"], ["refused"], ["discarded"]],
  );
  readonly #authentication = counter(
    "authentication",
    "What checks of strangers' messages came to, by method (spf, dkim, arc, dmarc), and what was decided (action).",
    ["method", "result"],
  );
  readonly #size = new Histogram(SIZES, {
    name: "yizhan_message_size_bytes",
    help: "Sizes of messages that were accepted.",
    unit: "bytes",
  });
  readonly #acceptance = seconds(
    "acceptance_duration",
    "From MAIL to the reply that a message is safe.",
    SHORT,
  );
  readonly #recipients = counter(
    "deliveries",
    "What attempts came to, for each recipient: delivered here or handed on, deferred, failed for good.",
    ["outcome"],
    [["delivered"], ["deferred"], ["failed"]],
  );
  readonly #ways = counter(
    "delivered",
    "Recipients whose mail was delivered, by the way it went and what TLS was used there.",
    ["way", "tls"],
  );
  readonly #delay = seconds(
    "delivery_delay",
    "From the acceptance of a message to its delivery, for each recipient.",
    LONG,
    ["way"],
  );
  readonly #attempt = seconds(
    "attempt_duration",
    "How long attempts of the queue took, for each recipient.",
    LONG,
    ["outcome"],
  );
  readonly #done = seconds(
    "queue_duration",
    "From the acceptance of a message until nothing of it was left in the queue.",
    LONG,
  );
  readonly #notices = counter("notices", "Notices (DSN) that were made, or dropped.", ["kind"]);
  readonly #changes = counter(
    "queue_changes",
    "What operators did to messages in the queue, and retries that ETRN asked for.",
    ["action"],
  );
  readonly #drop = counter("drop", "Mail that programs left in the drop folder.", ["outcome"]);
  readonly #troubles = counter(
    "troubles",
    "Things that went wrong here or on the way; the log says what.",
    ["kind"],
    TROUBLES.map((kind) => [kind]),
  );

  /** Takes an event. Never throws, never waits. */
  readonly record: EventSink = (event) => this.#record(event);

  /** All that was counted. */
  families(): MetricFamily[] {
    return [
      ...[this.#sessions, this.#open, this.#turnedAway, this.#closed, this.#sessionTime],
      ...[
        this.#faults,
        this.#banned,
        this.#handshakes,
        this.#tlsFailures,
        this.#logins,
        this.#commands,
        this.#policies,
      ],
      ...[this.#messages, this.#authentication, this.#size, this.#acceptance],
      ...[this.#recipients, this.#ways, this.#delay, this.#attempt, this.#done],
      ...[this.#notices, this.#changes, this.#drop, this.#troubles],
    ].map((instrument) => instrument.family());
  }

  #record(event: MtaEvent): void {
    switch (event.type) {
      case "session.opened":
        this.#sessions.add(1, event.listener);
        this.#open.add(1, event.listener);
        return;
      case "session.refused":
        return this.#turnedAway.add(1, event.listener, event.reason);
      case "session.closed":
        this.#open.add(-1, event.listener);
        this.#closed.add(1, event.reason);
        return this.#sessionTime.observe(event.duration / 1000);
      case "session.fault":
        return this.#faults.add(1, event.kind);
      case "client.banned":
        return this.#banned.add(1, event.reason);
      case "tls.started":
        return this.#handshakes.add(1, event.protocol, cipherFamily(event.cipher));
      case "tls.failed":
        return this.#tlsFailures.add(1);
      case "auth.succeeded":
        return this.#logins.add(1, mechanismOf(event.mechanism), "succeeded");
      case "auth.failed":
        return this.#logins.add(1, mechanismOf(event.mechanism), "failed");
      case "command.refused":
        this.#policyRefused(event);
        return this.#commands.add(1, event.stage, codeClass(event.reply));
      case "message.accepted":
        this.#messages.add(1, "accepted");
        this.#size.observe(event.size);
        return this.#acceptance.observe(event.duration / 1000);
      case "message.authenticated":
        return this.#authenticated(event);
      case "message.refused":
        this.#policyRefused(event);
        return this.#messages.add(1, "refused");
      case "message.discarded":
        return this.#messages.add(1, "discarded");
      case "message.queued":
        return this.#notices.add(1, event.notice ?? OTHER);
      case "message.done":
        return this.#done.observe(event.duration / 1000);
      case "notice.dropped":
        return this.#notices.add(1, "dropped");
      case "queue.changed":
        return this.#changes.add(1, event.action);
      default:
        return this.#recordDelivery(event);
    }
  }

  #authenticated({ spf, dkim, arc, dmarc, disposition }: Authenticated): void {
    this.#authentication.add(1, "spf", spf);
    this.#authentication.add(1, "dkim", dkim);
    this.#authentication.add(1, "arc", arc);
    this.#authentication.add(1, "dmarc", dmarc);
    this.#authentication.add(1, "action", disposition);
  }

  #policyRefused({ policy, reply }: { readonly policy?: string; readonly reply: string }): void {
    if (policy !== undefined) this.#policies.add(1, policy, codeClass(reply));
  }

  #recordDelivery(event: MtaEvent): void {
    switch (event.type) {
      case "delivery.done": {
        const way = wayOf(event.destination);
        this.#recipients.add(1, "delivered");
        this.#ways.add(1, way, event.tls ?? "none");
        // Without a queue the copy lies in its mailbox before the message is accepted.
        this.#delay.observe((event.duration ?? 0) / 1000, way);
        return this.#tookSome(event.took, "delivered");
      }
      case "delivery.deferred":
        this.#recipients.add(1, "deferred");
        return this.#tookSome(event.took, "deferred");
      case "delivery.failed":
        this.#recipients.add(1, "failed");
        return this.#tookSome(event.took, "failed");
      case "drop.taken":
      case "drop.deferred":
      case "drop.refused":
        return this.#drop.add(1, event.type.slice("drop.".length));
      case "relay.trouble":
        return this.#troubles.add(1, `relay ${event.kind}`);
      case "listener.trouble":
      case "queue.trouble":
      case "queue.damaged":
      case "drop.trouble":
      case "account.limited":
      case "policy.failed":
      case "internal.error":
        return this.#troubles.add(1, event.type.replace(".", " "));
    }
  }

  #tookSome(took: number | undefined, outcome: string): void {
    if (took !== undefined) this.#attempt.observe(took / 1000, outcome);
  }
}

/** The family of a cipher suite by its IANA name: how it encrypts, not who signed. */
export function cipherFamily(cipher: string): string {
  return /AES_(?:128|256)_(?:GCM|CCM|CBC)|CHACHA20_POLY1305/.exec(cipher)?.[0] ?? OTHER;
}

/** The first digit of a reply. */
function codeClass(reply: string): string {
  return /^[45]\d\d(?: |$)/.test(reply) ? `${reply[0]}xx` : OTHER;
}

/** What a client names is not believed to be one. */
function mechanismOf(name: string): string {
  return MECHANISMS.includes(name) ? name : OTHER;
}

/** `smtp` of `smtp:mx.example.org [192.0.2.7]:25`. */
function wayOf(destination: string): string {
  const way = destination.slice(0, destination.indexOf(":"));
  return WAYS.includes(way) ? way : OTHER;
}

function counter(
  name: string,
  help: string,
  labels: readonly string[] = [],
  known: readonly (readonly string[])[] = [],
): Tally {
  return new Tally("counter", { name: `yizhan_${name}`, help, labels, known });
}

function seconds(
  name: string,
  help: string,
  bounds: readonly number[],
  labels: readonly string[] = [],
): Histogram {
  return new Histogram(bounds, { name: `yizhan_${name}_seconds`, help, unit: "seconds", labels });
}

const MECHANISMS: readonly string[] = ["PLAIN", "LOGIN", "SCRAM-SHA-256"];
const WAYS: readonly string[] = ["maildir", "local", "smtp", "lmtp", "pipe"];
const TROUBLES = [
  ...["listener trouble", "queue trouble", "queue damaged", "drop trouble"],
  ...[
    "relay tls",
    "relay unanswered",
    "relay injection",
    "policy failed",
    "account limited",
    "internal error",
  ],
];

/** Seconds of what should take none, and of what may wait for days. */
const SHORT = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const LONG = [
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
  300,
  1800,
  7200,
  28_800,
  86_400,
  432_000,
];
/** Octets: 1 KiB to 64 MiB. */
const SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((power) => 1024 * 4 ** power);
