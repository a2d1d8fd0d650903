/**
 * A mail server for the open internet: limits on what strangers and users may do, greylisting, lists in DNS, and a
 * ledger on the disk in which the policies remember, also over a restart. They are plain objects, asked in their
 * order; leave out what you do not want.
 *
 *     deno run --allow-net --allow-read=data,.,/etc/resolv.conf --allow-write=data \
 *       examples/public_mail_server.ts bl.example
 *
 * @module
 */

import {
  accountLimits,
  bans,
  createMta,
  denoRuntime,
  dnsLists,
  formatEventLine,
  greylisting,
  KeptLedger,
  loginBackoff,
  mapDirectory,
  type MtaEvent,
  type MtaFact,
  parseNetwork,
  type Policy,
  type Runtime,
  tarpit,
} from "../mod.ts";

/** What policies need of the machine, and where they remember and tell. */
type Services = Pick<Runtime, "clock" | "resolver"> & {
  readonly ledger: KeptLedger;
  readonly emit: (fact: MtaFact) => void;
};

/** The policies. @param zones of lists in DNS. @param near networks that are exempt. */
export function policiesOf(
  services: Services,
  zones: readonly string[],
  near = ["127.0.0.0/8", "::1/128"],
): Policy[] {
  const exempt = near.map((text) => parseNetwork(text)!);
  const lists = dnsLists({ exempt, lists: zones.map((zone) => ({ zone })) }, services);
  return [
    bans({ exempt }, services), // first: for who is banned nothing else is done
    lists,
    loginBackoff({ exempt }, services),
    accountLimits({ recipientsDaily: { count: 500, per: 24 * 60 * 60 * 1000 } }, services),
    greylisting({ exempt, delay: 60_000 }, {
      ...services,
      // Whom a list welcomes does not wait.
      isWelcome: async (session) => await lists.score(session) < 0,
    }),
    tarpit({ exempt }, services),
  ];
}

if (import.meta.main) {
  const [zones = "", port = "2525", ...near] = Deno.args;
  const runtime = denoRuntime();
  const { clock } = runtime;
  const onEvent = (event: MtaEvent) => console.error(formatEventLine(event));
  const ledger = await KeptLedger.open({
    ...runtime,
    directory: "data/ledger",
    onTrouble: console.error,
  });
  const emit = (fact: MtaFact) => onEvent({ time: clock.now(), ...fact });
  const services = { ...runtime, ledger, emit };
  const mta = await createMta({
    hostname: "mail.example.org",
    listeners: [{
      role: "mx",
      address: { transport: "tcp", hostname: "127.0.0.1", port: Number(port) },
    }],
    directory: mapDirectory({ accounts: { "alice@example.org": { password: "wonderland" } } }),
    delivery: { maildirRoot: "data/mail" },
    policies: policiesOf(
      services,
      zones.split(",").filter((zone) => zone !== ""),
      near.length > 0 ? near : undefined,
    ),
    onEvent,
  }).catch((error) => {
    // Most likely another program has the port.
    console.error(error.message);
    Deno.exit(69);
  });
  const [address] = mta.addresses;
  if (address?.transport === "tcp") console.log(`Listening on 127.0.0.1:${address.port}`);
  Deno.addSignalListener("SIGINT", async () => {
    await mta.stop({ grace: 1000 });
    await ledger.close(); // what was noted last is on the disk now
    Deno.exit();
  });
}
