/**
 * A policy: mail from some domains is refused, all other mail gets a header field. A policy is a plain
 * object that answers with a verdict; it never sees a socket and writes no reply itself.
 *
 *     deno run --allow-net=127.0.0.1 --allow-read=mail --allow-write=mail examples/policy.ts
 *
 * @module
 */

import { createMta, type Policy, reply } from "../mod.ts";

/** Refuses mail from these domains, and marks what is taken. */
export function senderDomainPolicy(refused: readonly string[]): Policy {
  return {
    name: "sender-domain",
    sender(_session, sender) {
      // `null` is the sender of bounces, which must get through (RFC 5321 §4.5.5).
      if (sender === null || !refused.includes(sender.domain)) return undefined;
      return { action: "reject", reply: reply(550, "5.7.1", `no mail from ${sender.domain}`) };
    },
    message({ session }) {
      const value = `sender-domain; client=${session.client}`;
      return {
        action: "annotate",
        changes: [
          // Nobody may bring the mark along.
          { change: "remove-field", name: "X-Checked-By" },
          { change: "add-field", name: "X-Checked-By", value },
        ],
      };
    },
  };
}

if (import.meta.main) {
  const mta = await createMta({
    listeners: [{
      role: "catcher",
      address: { transport: "tcp", hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 2525) },
    }],
    delivery: { maildirRoot: "mail" },
    policies: [senderDomainPolicy(["spam.test"])],
  }).catch((error) => {
    // Most likely another program has the port.
    console.error(error.message);
    Deno.exit(69);
  });
  const [address] = mta.addresses;
  if (address?.transport === "tcp") console.log(`Listening on 127.0.0.1:${address.port}`);
}
