/**
 * Pebble, the authority that the authors of Let's Encrypt test ACME clients with, and its name server, which leads every
 * name to loopback.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { assertEnded, findTool, makeTemporaryFolder, run } from "./support.ts";

/** A running authority. */
export interface Pebble extends AsyncDisposable {
  /** Its directory. */
  readonly directory: string;
  /** The file with the root of its own certificate. */
  readonly root: string;
  /** The port where it looks for proofs in clear, and with TLS. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Where TXT records are set: POST /set-txt and /clear-txt. */
  readonly records: string;
  /** What it said so far. */
  readonly log: () => string;
}

/**
 * Starts both.
 *
 * @param customers whom it opens accounts for, their keys (base64url) by key id; absent: for everybody.
 */
export async function startPebble(
  customers?: Readonly<Record<string, string>>,
): Promise<Pebble> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await makeTemporaryFolder());
  const { path } = folder;
  const openssl = async (...args: string[]) => assertEnded(await run("openssl", args));
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    `${path}/ca.key`,
    "-out",
    `${path}/ca.pem`,
    "-subj",
    "/CN=Root",
  );
  await openssl(
    "req",
    ...key,
    "-keyout",
    `${path}/key.pem`,
    "-out",
    `${path}/csr.pem`,
    "-subj",
    "/CN=localhost",
  );
  await folder.write("names", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const authority = ["-CA", `${path}/ca.pem`, "-CAkey", `${path}/ca.key`, "-CAcreateserial"];
  await openssl(
    "x509",
    "-req",
    "-in",
    `${path}/csr.pem`,
    ...authority,
    "-out",
    `${path}/cert.pem`,
    "-extfile",
    `${path}/names`,
  );
  const [acme, management, dns, txt, httpPort, tlsPort] = Array.from({ length: 6 }, findFreePort);
  const file = await folder.write(
    "pebble.json",
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${acme}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: `${path}/cert.pem`,
        privateKey: `${path}/key.pem`,
        ...{ httpPort, tlsPort },
        ocspResponderURL: "",
        externalAccountBindingRequired: customers !== undefined,
        externalAccountMACKeys: customers ?? {},
      },
    }),
  );
  const nothing = ["-http01", "", "-https01", "", "-tlsalpn01", ""];
  const names: Daemon = stack.use(
    await startDaemon(findTool("pebble-challtestsrv"), {
      args: [
        ...nothing,
        ...["-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${txt}`],
        ...["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""],
      ],
      port: txt!,
    }),
  );
  const pebble: Daemon = stack.use(
    await startDaemon(findTool("pebble"), {
      args: ["-config", file, "-dnsserver", `127.0.0.1:${dns}`],
      port: acme!,
      // Its sleeps are for clients that count on being served at once.
      env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "20" },
    }),
  );
  const owned = stack.move();
  return {
    directory: `https://localhost:${acme}/dir`,
    root: `${path}/ca.pem`,
    ...{ httpPort: httpPort!, tlsPort: tlsPort! },
    records: `http://127.0.0.1:${txt}`,
    log: () => pebble.output() + names.output(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
