/**
 * A web server in a network of memory: TLS, one request a connection, an answer by a function.
 *
 * @module
 */

import { decode, encode } from "../../../src/bytes.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection } from "../../../src/runtime/network.ts";
import type { TlsCertificate } from "../../../src/runtime/tls.ts";
import { otherCertificate } from "../../support/certificates.ts";

/** A request as it came. */
export interface WebRequest {
  readonly head: string;
  readonly body: Uint8Array;
}

/** What a server does: the whole response, `null` to close, or a promise that may never settle. */
export type WebAnswer = (request: WebRequest) => string | null | Promise<string | null>;

/** A server; it serves until its world ends. */
export class WebHost {
  /** What it was asked. */
  readonly requests: WebRequest[] = [];
  answer: WebAnswer;

  private constructor(answer: WebAnswer) {
    this.answer = answer;
  }

  /** Listens on port 443 of a machine beside another; the certificate is that of `*.other.test` by default. */
  static async start(
    world: MemoryRuntime,
    address: string,
    answer: WebAnswer,
    certificate: TlsCertificate = otherCertificate,
  ): Promise<WebHost> {
    const { network } = memoryRuntime({ address, beside: world });
    const host = new WebHost(answer);
    const tls = network.tlsServer({ certificates: [certificate] });
    const listener = await network.listen({ transport: "tcp", hostname: "0.0.0.0", port: 443 });
    const serve = async () => {
      for (let plain; (plain = await listener.accept()) !== null;) {
        const connection = plain;
        (async () => await host.#serve(await connection.startTlsServer(tls)))().catch(() => {});
      }
    };
    serve();
    return host;
  }

  async #serve(connection: Connection): Promise<void> {
    let text = "";
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) return connection.close();
      text += String.fromCharCode(...buffer.subarray(0, length));
      const end = text.indexOf("\r\n\r\n");
      const wanted = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
      if (end === -1 || text.length < end + 4 + wanted) continue;
      const body = Uint8Array.from(text.slice(end + 4), (c) => c.charCodeAt(0));
      const request = { head: decode(encode(text.slice(0, end))), body };
      this.requests.push(request);
      const answer = await this.answer(request);
      if (answer !== null) await connection.write(encode(answer));
      await connection.closeWrite();
      return connection.close();
    }
  }
}

/** A response of 200 with a body of text. */
export function ok(body: string, type = "text/plain"): string {
  const length = encode(body).length;
  return `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`;
}
