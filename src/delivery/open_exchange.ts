/**
 * Connecting to another station, up to the moment at which messages can be sent over the connection. What goes on
 * over it then is for `smtp_exchange.ts`.
 *
 * What fails: connecting, whoever turns out to be ourselves, and all that {@link SmtpExchange.start} tells: given as
 * a value, with the socket closed.
 *
 * @module
 */

import type { Conversation, Tracer } from "../observe/trace.ts";
import type { DeadlineMember } from "../runtime/deadlines.ts";
import type { Connection } from "../runtime/network.ts";
import { reply } from "../smtp/reply.ts";
import { isOwnConnection } from "./loop_check.ts";
import { itself, type OpeningFailure, ours } from "./opening_failure.ts";
import { messageOf } from "./session_pump.ts";
import { type ExchangeServices, type ExchangeTarget, SmtpExchange } from "./smtp_exchange.ts";

/** Until connecting is given up (milliseconds). */
const CONNECT_TIMEOUT = 30_000;

/**
 * Connects and makes the session ready for messages: greeting, EHLO, TLS, login. Never throws.
 *
 * @param message the id of the message it is opened for, for whoever listens to its conversations.
 */
export async function openExchange(
  services: ExchangeServices,
  target: ExchangeTarget,
  signal: AbortSignal,
  message = "",
): Promise<SmtpExchange | OpeningFailure> {
  const trace = openTrace(services.tracer, target, message);
  const connection = await connect(services, target, signal);
  if ("status" in connection) {
    trace?.close(connection.reply.lines.join(" "));
    return connection;
  }
  const { loop } = target;
  if (loop !== undefined && isOwnConnection(loop, connection.local, connection.remote)) {
    connection.close();
    const failure = itself(target.label, loop, "the connection has the same address at both ends");
    trace?.close(failure.reply.lines.join(" "));
    return failure;
  }
  const exchange = new SmtpExchange(services, target, connection, trace);
  // Only a key that cannot be derived is thrown: the socket must not be left open for that.
  const failure = await exchange.start(signal).catch((error) => {
    const text = `cannot log in to ${target.label}: ${messageOf(error)}`;
    return ours("login", reply(451, "4.3.0", text), { unreachable: true });
  });
  if (failure === null) return exchange;
  await exchange.quit();
  return failure;
}

function openTrace(
  tracer: Tracer | undefined,
  { address, serverName, label, protocol }: ExchangeTarget,
  message: string,
): Conversation | null {
  if (tracer === undefined) return null;
  const ip = address.transport === "tcp" ? address.hostname : "unix";
  const facts = { side: "out", id: message, peer: label, address: ip, host: serverName } as const;
  return tracer.open(facts, `connecting, for ${protocol.toUpperCase()}`);
}

async function connect(
  { network, clock, deadlines, connectTimeout = CONNECT_TIMEOUT }: ExchangeServices,
  { address, source, label }: ExchangeTarget,
  signal: AbortSignal,
): Promise<Connection | OpeningFailure> {
  const late = new AbortController();
  const member: DeadlineMember = {
    deadline: clock.now() + connectTimeout,
    expire: () => late.abort(),
  };
  deadlines.add(member);
  try {
    return await network.connect(address, {
      signal: AbortSignal.any([signal, late.signal]),
      ...(source !== undefined && { source }),
    });
  } catch (error) {
    const why = late.signal.aborted ? "no answer in time" : messageOf(error);
    const text = `cannot connect to ${label}: ${why}`;
    return ours("connect", reply(451, "4.4.1", text), { unreachable: true });
  } finally {
    deadlines.delete(member);
  }
}
