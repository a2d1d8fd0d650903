/**
 * A program that Yizhan asks about mail (a filter of kind `http`, docs/filters.md): it refuses mail from some
 * domains, and marks what comes without TLS. It needs nothing of Yizhan's, so it shows what such a program has to
 * do in any language: check the signature, read JSON, answer JSON.
 *
 *     deno run --allow-net=127.0.0.1 --allow-env=HOOK_SECRET examples/http_hook.ts spam.test
 *
 * @module
 */

import { createHmac, timingSafeEqual } from "node:crypto";

/** Whether a request is from whoever knows the secret, and of the last five minutes. */
export function isSigned(secret: string, headers: Headers, body: string): boolean {
  const [id, time, given] = ["id", "timestamp", "signature"].map((n) =>
    headers.get(`webhook-${n}`)
  );
  const hmac = createHmac("sha256", secret).update(`${id}.${time}.${body}`).digest("base64");
  const [wanted, found] = [`v1,${hmac}`, `${given}`].map((text) => new TextEncoder().encode(text));
  return wanted!.length === found!.length && timingSafeEqual(wanted!, found!) &&
    Math.abs(Date.now() / 1000 - Number(time)) < 300;
}

/** As much of a request as is looked at here. */
interface Request {
  readonly stage: string;
  readonly session: { readonly tls: unknown };
  readonly sender: string | null;
}

/** The verdict. */
export function decide({ stage, session, sender }: Request, refused: readonly string[]): unknown {
  const domain = sender?.split("@").at(-1);
  if (domain !== undefined && refused.includes(domain)) {
    return { action: "reject", code: 550, enhanced: "5.7.1", text: `no mail from ${domain}` };
  }
  if (stage !== "message" || session.tls !== null) return { action: "accept" };
  const mark = { change: "add-field", name: "X-Came-In-Clear", value: "yes" };
  return { action: "annotate", changes: [mark] };
}

if (import.meta.main) {
  const secret = Deno.env.get("HOOK_SECRET");
  if (secret === undefined) {
    console.error("HOOK_SECRET is not set");
    Deno.exit(64);
  }
  const [refused = "", port = "8025"] = Deno.args;
  Deno.serve({
    hostname: "127.0.0.1",
    port: Number(port),
    onListen: (address) => console.log(`Listening on 127.0.0.1:${address.port}`),
  }, async (request) => {
    const body = await request.text();
    if (!isSigned(secret, request.headers, body)) return new Response(null, { status: 401 });
    return Response.json(decide(JSON.parse(body), refused.split(",")));
  });
}
