import { assertEquals } from "@std/assert";
import { type Tap, tapNetwork } from "../../../src/cli/demo/tap.ts";
import { decode, encode } from "../../../src/bytes.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection, Network } from "../../../src/runtime/network.ts";
import type { Adapter } from "../../contracts/adapter.ts";
import { networkContract } from "../../contracts/network_contract.ts";
import { tlsContract } from "../../contracts/tls_contract.ts";
import { mxCertificate } from "../../support/certificates.ts";

const ADDRESS = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;

function recorder(): { readonly heard: string[]; readonly tap: Tap } {
  const heard: string[] = [];
  return {
    heard,
    tap: {
      sent: (octets) => void heard.push(`> ${decode(octets)}`),
      received: (octets) => void heard.push(`< ${decode(octets)}`),
      secured: ({ protocol }) => void heard.push(protocol),
      closed: () => void heard.push("closed"),
    },
  };
}

async function readText(connection: Connection): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const length = await connection.read(buffer);
  return length === null ? null : decode(buffer.subarray(0, length));
}

async function meet(network: Network, tapped: Network): Promise<[Connection, Connection]> {
  const listener = await network.listen(ADDRESS);
  const client = await tapped.connect(listener.address);
  const server = await listener.accept();
  listener.close();
  return [client, server!];
}

Deno.test("tapNetwork() tells what passes, both ways and in order", async () => {
  const { network } = memoryRuntime();
  const { heard, tap } = recorder();
  const [client, server] = await meet(network, tapNetwork(network, () => tap));
  await client.write(encode("EHLO"));
  assertEquals(await readText(server), "EHLO");
  await server.write(encode("250"));
  assertEquals(await readText(client), "250");
  await client.closeWrite();
  assertEquals(await readText(server), null);
  client.close();
  client.close();
  server.close();
  assertEquals(heard, ["> EHLO", "< 250", "closed"]);
});

Deno.test("tapNetwork() leaves connections alone that have no tap", async () => {
  const { network } = memoryRuntime();
  const asked: unknown[] = [];
  const tapped = tapNetwork(network, (address) => {
    asked.push(address);
    return null;
  });
  const [client, server] = await meet(network, tapped);
  await client.write(encode("EHLO"));
  assertEquals(await readText(server), "EHLO");
  assertEquals(asked.length, 1);
  client.close();
  server.close();
});

Deno.test("tapNetwork() tells what passes inside TLS in the clear, and when TLS begins", async () => {
  const { network } = memoryRuntime();
  const { heard, tap } = recorder();
  const [plain, accepted] = await meet(network, tapNetwork(network, () => tap));
  await plain.write(encode("STARTTLS"));
  await readText(accepted);
  const [server, client] = await Promise.all([
    accepted.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
    plain.startTlsClient({ serverName: "mx.example.test", verify: false }),
  ]);
  await client.write(encode("secret"));
  assertEquals(await readText(server), "secret");
  await server.write(encode("answer"));
  assertEquals(await readText(client), "answer");
  client.close();
  server.close();
  assertEquals(heard, ["> STARTTLS", "TLSv1.3", "> secret", "< answer", "closed"]);
});

// Whoever is given a tapped network has a network like any other.
const adapter: Adapter = {
  name: "tapped",
  async start() {
    const runtime = memoryRuntime();
    await runtime.files.makeDirectory("/work", 0o700);
    const network = tapNetwork(runtime.network, () => recorder().tap);
    return { runtime: { ...runtime, network }, folder: "/work", end: () => {} };
  },
};

networkContract(adapter);
tlsContract(adapter);
