/**
 * A way out for the programs of one machine: they hand their mail to 127.0.0.1, without a password and
 * without waiting, and it goes on through the server of a provider, which wants both. What was answered
 * 250 is on the disk: it is tried for days, whatever happens to this process, and its sender is told when
 * it cannot be done.
 *
 *     export SMTP_USER=me@example.org SMTP_PASSWORD=secret
 *     deno run --allow-net --allow-env=SMTP_USER,SMTP_PASSWORD --allow-sys=statfs \
 *       --allow-read=.,/etc/resolv.conf --allow-write=relay \
 *       examples/relay_to_smarthost.ts app.example.org smtp.example.org:587 2525
 *
 * The first word is the name of this machine. The password is said only over TLS with a certificate that
 * is valid for the server's name; until there is one, the mail waits.
 *
 * @module
 */

import { createMta, formatEventLine, mapDirectory, type Mta, type RouteOptions } from "../mod.ts";

/** Everything goes to one server; with a user, only over TLS that is verified. */
export function everythingTo(server: string, user?: string, password = ""): RouteOptions {
  const [host = "", port] = server.split(":");
  return {
    domains: ["*"],
    via: {
      kind: "smarthost",
      host,
      ...(port !== undefined && { port: Number(port) }),
      ...(user !== undefined && { credentials: { user, password } }),
    },
  };
}

/** Takes mail from this machine, for anybody, and sends it on. */
export function startRelay(hostname: string, route: RouteOptions, port: number): Promise<Mta> {
  return createMta({
    hostname,
    listeners: [{ role: "mx", address: { transport: "tcp", hostname: "127.0.0.1", port } }],
    relayFrom: ["127.0.0.1/32"],
    // Nobody lives here; only mail to the postmaster of this machine stays.
    directory: mapDirectory({ accounts: {} }),
    delivery: { maildirRoot: "relay/mail" },
    queue: { directory: "relay/queue" },
    routes: [route],
    onEvent(event) {
      const line = formatEventLine(event, { colour: false });
      if (line !== null) console.log(line);
    },
  });
}

if (import.meta.main) {
  const [hostname, server, port = "2525"] = Deno.args;
  if (hostname === undefined || server === undefined) {
    console.error("usage: relay_to_smarthost.ts HOSTNAME SERVER[:PORT] [LISTEN-PORT]");
    Deno.exit(64);
  }
  const route = everythingTo(
    server,
    Deno.env.get("SMTP_USER"),
    Deno.env.get("SMTP_PASSWORD"),
  );
  const mta = await startRelay(hostname, route, Number(port)).catch((error) => {
    // Most likely another program has the port, or the folder.
    console.error(error.message);
    Deno.exit(69);
  });
  const [address] = mta.addresses;
  if (address?.transport === "tcp") console.log(`Listening on 127.0.0.1:${address.port}`);
}
