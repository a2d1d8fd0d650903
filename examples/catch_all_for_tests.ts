/**
 * A mail server inside a test: it listens on a free port, keeps what is sent to it in memory, and lets
 * the test wait for the next mail. No fixed port, no folder to clean up, no second process.
 *
 *     deno run --allow-net=127.0.0.1 --allow-read --allow-write examples/catch_all_for_tests.ts
 *
 * @module
 */

import {
  createMta,
  decodeEncodedWords,
  fieldValue,
  findField,
  formatAddress,
  type LocalDelivery,
  parseFields,
} from "../mod.ts";

/** A mail that was caught: one for each recipient. */
export interface CaughtMail {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** The body as text, its lines ending in CRLF. */
  readonly body: string;
}

/** A catcher that runs. */
export interface Catcher extends AsyncDisposable {
  /** Where to send, on 127.0.0.1. Any user name and password will do. */
  readonly port: number;
  /** The next mail, as soon as there is one. */
  next(): Promise<CaughtMail>;
}

/** Starts a catcher; `await using` stops it. */
export async function startCatcher(): Promise<Catcher> {
  const caught = new TransformStream<CaughtMail, CaughtMail>(undefined, undefined, {
    highWaterMark: Infinity,
  });
  const writer = caught.writable.getWriter();
  const reader = caught.readable.getReader();
  // Only for mail of more than 256 KiB while it comes in.
  const temporary = await Deno.makeTempDir();
  const mta = await createMta({
    listeners: [{
      role: "catcher",
      address: { transport: "tcp", hostname: "127.0.0.1", port: 0 },
    }],
    delivery: deliverTo((mail) => void writer.write(mail)),
    temporary,
  });
  const [address] = mta.addresses;
  if (address?.transport !== "tcp") throw new Error("the catcher has no port");
  return {
    port: address.port,
    async next() {
      const { done, value } = await reader.read();
      if (done) throw new Error("the catcher has stopped");
      return value;
    },
    async [Symbol.asyncDispose]() {
      await mta.stop({ grace: 0 });
      await writer.close();
      await Deno.remove(temporary, { recursive: true });
    },
  };
}

/** A delivery of our own: the mailbox is a function. */
function deliverTo(take: (mail: CaughtMail) => void): LocalDelivery {
  return {
    checkRoom: () => Promise.resolve(null),
    async prepare(source, { address, sender }) {
      const subject = findField(parseFields(source.head), "Subject");
      const decoder = new TextDecoder();
      let body = "";
      for await (const chunk of source.openBody()) body += decoder.decode(chunk, { stream: true });
      const mail = {
        from: sender === null ? "" : formatAddress(sender),
        to: formatAddress(address),
        subject: subject === null ? "" : decodeEncodedWords(fieldValue(subject)),
        body: body + decoder.decode(),
      };
      return {
        publish: () => Promise.resolve(take(mail)),
        discard: () => Promise.resolve(),
      };
    },
  };
}

/** What an application under test does, on a bare socket: one line at a time, each reply awaited. */
async function sendMail(port: number, lines: readonly string[]): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4096);
  for (const line of ["", ...lines]) {
    if (line !== "") await connection.write(new TextEncoder().encode(`${line}\r\n`));
    const length = await connection.read(buffer);
    const answer = new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    if (!/^[23]/.test(answer)) throw new Error(`${line}: ${answer}`);
  }
}

if (import.meta.main) {
  await using catcher = await startCatcher();
  await sendMail(catcher.port, [
    "EHLO app.test",
    "MAIL FROM:<app@app.test>",
    "RCPT TO:<user@example.test>",
    "DATA",
    "Subject: Your password\r\n\r\nClick here.\r\n.",
    "QUIT",
  ]);
  const mail = await catcher.next();
  console.assert(mail.to === "user@example.test");
  console.assert(mail.body === "Click here.\r\n");
  console.log(`${mail.from} → ${mail.to}: ${mail.subject}`);
}
