/**
 * Mail into a web application: each mail becomes one call of a function, with its head parsed and its
 * body as a stream, and the function hands it to an HTTP endpoint. The sender is told 250 only when the
 * endpoint has said that it has the mail; if it is down, the sender keeps the mail and tries again.
 *
 *     deno run --allow-net=127.0.0.1 --allow-read=incoming --allow-write=incoming \
 *       examples/inbound_webhook.ts http://127.0.0.1:8080/mail
 *
 * The endpoint gets `POST …?from=…&to=…&subject=…` with the message as `message/rfc822`.
 *
 * @module
 */

import {
  createMta,
  decodeEncodedWords,
  fieldValue,
  findField,
  formatAddress,
  formatFields,
  type MessageView,
  type Policy,
  type RawField,
} from "../mod.ts";

/** A mail, as a function gets it. */
export interface InboundMail {
  /** Whom it is from, by the envelope; "" for bounces. */
  readonly from: string;
  /** Whom it is for, by the envelope. */
  readonly to: readonly string[];
  readonly subject: string;
  /** The header fields, in order. */
  readonly fields: readonly RawField[];
  /** Everything after the header, from the start each time it is iterated. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** A policy that gives every mail to a function. When the function throws, the sender is told 451. */
export function handMailTo(handle: (mail: InboundMail) => Promise<void>): Policy {
  return {
    name: "inbound",
    async message(message) {
      await handle(inboundMail(message));
      // Taken care of: nothing is left to deliver.
      return { action: "discard", reason: "handed over" };
    },
  };
}

function inboundMail({ envelope, fields, openBody }: MessageView): InboundMail {
  const subject = findField(fields, "Subject");
  return {
    from: envelope.sender === null ? "" : formatAddress(envelope.sender),
    to: envelope.recipients.map(({ address }) => formatAddress(address)),
    subject: subject === null ? "" : decodeEncodedWords(fieldValue(subject)),
    fields,
    body: { [Symbol.asyncIterator]: () => openBody()[Symbol.asyncIterator]() },
  };
}

/** A function that posts a mail to an endpoint, without ever holding it whole. */
export function postTo(endpoint: string): (mail: InboundMail) => Promise<void> {
  return async (mail) => {
    const url = new URL(endpoint);
    url.searchParams.set("from", mail.from);
    for (const to of mail.to) url.searchParams.append("to", to);
    url.searchParams.set("subject", mail.subject);
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "message/rfc822" },
      body: ReadableStream.from(wholeMessage(mail)),
      // Less than a policy has, so that a hanging request is given up, not left behind.
      signal: AbortSignal.timeout(25_000),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`${endpoint} answered ${response.status}`);
  };
}

async function* wholeMessage({ fields, body }: InboundMail): AsyncGenerator<Uint8Array> {
  yield formatFields(fields);
  yield new TextEncoder().encode("\r\n");
  // A chunk is ours until we ask for the next; the request may need it longer.
  for await (const chunk of body) yield chunk.slice();
}

if (import.meta.main) {
  const [endpoint, port = "2525"] = Deno.args;
  if (endpoint === undefined) {
    console.error("usage: inbound_webhook.ts URL [PORT]");
    Deno.exit(64);
  }
  const mta = await createMta({
    listeners: [{
      role: "catcher",
      address: { transport: "tcp", hostname: "127.0.0.1", port: Number(port) },
    }],
    // Large mail waits here while it comes in; nothing stays.
    delivery: { maildirRoot: "incoming" },
    policies: [handMailTo(postTo(endpoint))],
    onEvent: (event) => event.type === "policy.failed" && console.error(event.error),
  }).catch((error) => {
    // Most likely another program has the port.
    console.error(error.message);
    Deno.exit(69);
  });
  const [address] = mta.addresses;
  if (address?.transport === "tcp") console.log(`Listening on 127.0.0.1:${address.port}`);
}
