/**
 * A small name server on loopback: it knows a few names, and tells who asks for what. By UDP only, which is
 * all that short answers need.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { decodeDnsMessage, type DnsData, encodeDnsMessage } from "../../runtime/dns_message.ts";
import { type DnsNameRecords, DnsZones } from "../../runtime/dns_zones.ts";

/** A question and what it was answered, for people. */
export interface AnsweredQuestion {
  readonly name: string;
  /** Such as `MX`. */
  readonly type: string;
  /** Such as `10 mx.b.example`; none where there is nothing of the kind. */
  readonly answers: readonly string[];
}

/** A name server that runs. */
export class NameServer implements AsyncDisposable {
  /** Where it listens, as `ADDR:PORT`. */
  readonly address: string;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.address = `127.0.0.1:${socket.address().port}`;
  }

  /**
   * Starts on a free port.
   *
   * @param names what it knows.
   * @param onQuestion is told of each question.
   */
  static async start(
    names: Readonly<Record<string, DnsNameRecords>>,
    onQuestion: (question: AnsweredQuestion) => void,
  ): Promise<NameServer> {
    const zones = new DnsZones(names);
    const socket = createSocket("udp4");
    socket.on("message", (octets, { address, port }) => {
      const query = decodeDnsMessage(octets);
      const answer = zones.answer(query, false);
      if (answer === null) return;
      socket.send(encodeDnsMessage(answer, 512), port, address);
      if (answer.question === null) return;
      const { name, type } = answer.question;
      onQuestion({ name, type, answers: answer.answers.map(({ data }) => describeData(data)) });
    });
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new NameServer(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }
}

function describeData(data: DnsData): string {
  switch (data.type) {
    case "A":
    case "AAAA":
      return data.address;
    case "CNAME":
    case "NS":
    case "PTR":
      return data.name;
    case "MX":
      return `${data.preference} ${data.exchange}`;
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    case "TXT":
      return data.text;
    case "TLSA":
      return `${data.usage} ${data.selector} ${data.matching} ${data.data.toHex()}`;
    case "SOA":
      return `SOA ${data.minimum}`;
  }
}
