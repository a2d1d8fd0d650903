/**
 * Sends one mail, without a station, and says what became of each recipient. Given a server, it goes
 * there; without one it goes straight to the mail hosts that DNS names for each recipient, as a server
 * would send it.
 *
 *     deno run --allow-net --allow-read=/etc/resolv.conf \
 *       examples/send_mail.ts me@example.org you@example.net "It works" smtp.example.org:25
 *
 * One attempt is made: exit code 0 says that a server has the mail for everybody, 75 that it may work
 * later, 69 that it was refused for good. A program that wants its mail tried for days gives it to a
 * queue: `mta.submit()`, or `relay_to_smarthost.ts`.
 *
 * @module
 */

import { describeSent, sendMail, type SendMailServer } from "../mod.ts";

/** `smtp.example.org:25` as options. */
export function serverOf(text: string): SendMailServer {
  const [host = "", port] = text.split(":");
  return { host, ...(port !== undefined && { port: Number(port) }) };
}

if (import.meta.main) {
  const [sender, recipient, subject, server] = Deno.args;
  if (sender === undefined || recipient === undefined || subject === undefined) {
    console.error("usage: send_mail.ts FROM TO SUBJECT [SERVER[:PORT]]");
    Deno.exit(64);
  }
  // Date and Message-ID are added; lines may end in LF.
  const message = `From: ${sender}\nTo: ${recipient}\nSubject: ${subject}\n\nSent by a program.\n`;
  const sent = await sendMail(
    { sender, recipients: [recipient] },
    message,
    server === undefined ? {} : { server: serverOf(server) },
  );
  for (const line of describeSent(sent)) console.log(line);
  if (!sent.ok) Deno.exit(sent.recipients.some(({ status }) => status === "deferred") ? 75 : 69);
}
