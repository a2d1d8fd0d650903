/**
 * From a command to what comes of it, for all commands after which a command follows again. The three
 * that change how octets are read (AUTH, BDAT, STARTTLS) are the session's own; DATA does so only when
 * the driver has said 354.
 *
 * It leaves to the verbs whether a command is in order, and adds what a verb cannot see: octets that
 * follow, limits on the session, and which count a refusal goes to.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { fixedReply, type Reply, reply } from "./reply.ts";
import type { SessionCore } from "./session_core.ts";
import { data } from "./verbs/body.ts";
import { hello } from "./verbs/hello.ts";
import { mail } from "./verbs/mail.ts";
import { etrn, expand, help, verify } from "./verbs/queries.ts";
import { rcpt } from "./verbs/rcpt.ts";

/** The command of this verb. */
type Verb<Name extends Command["verb"]> = Extract<Command, { verb: Name }>;

/** Answers a command, or tells the driver. */
export function dispatchCommand(
  core: SessionCore,
  command: Exclude<Command, Verb<"AUTH" | "BDAT" | "STARTTLS">>,
): void {
  const { state } = core;
  switch (command.verb) {
    case "HELO":
    case "EHLO":
    case "LHLO":
      return helloCommand(core, command);
    case "MAIL":
      return mailCommand(core, command);
    case "RCPT":
      return rcptCommand(core, command);
    case "DATA":
      return core.result(data(state));
    case "RSET":
      return rsetCommand(core);
    case "NOOP":
      return core.idleResult(OK);
    case "HELP":
      return core.idleResult(help(state));
    case "VRFY":
      return core.idleResult(verify(command.argument, state));
    case "EXPN":
      return core.idleResult(expand(command.argument, state));
    case "ETRN":
      return core.idleResult(etrn(command.domain, state));
    case "QUIT":
      return core.close(BYE, true);
    case "not-smtp":
      core.fault("not-smtp", command.protocol);
      return core.close(reply(521, "5.5.1", "this is an SMTP server"));
    case "unknown":
    case "invalid":
      return invalidCommand(core, command.reply, command.name);
  }
}

function helloCommand(core: SessionCore, command: Verb<"HELO" | "EHLO" | "LHLO">): void {
  // RFC 2920 §3.1: EHLO ends a group, for what is offered is not known before its answer.
  if (core.settings.refuseEarlyTalk && core.unread > 0) {
    core.fault("unauthorized-pipelining", `commands after ${command.verb}`);
    return core.close(reply(503, "5.5.0", "improper pipelining"));
  }
  core.idleResult(hello(command, core.state));
}

function mailCommand(core: SessionCore, command: Verb<"MAIL">): void {
  const { trusted, messages } = core.state;
  if (!trusted && messages >= core.settings.limits.messages) {
    core.fault("too-many-commands", "messages");
    return core.close(reply(421, "4.7.0", "enough messages for one session: connect again"));
  }
  core.result(mail(command, core.state));
}

function rcptCommand(core: SessionCore, command: Verb<"RCPT">): void {
  const result = rcpt(command, core.state);
  if ("ask" in result) return core.result(result);
  // Too many recipients is no fault: the client sends the rest in another message.
  if (result.reply.code === 452) core.put(result.reply);
  else core.refuseRecipient(result.reply);
}

function rsetCommand(core: SessionCore): void {
  if (core.state.transaction !== null) {
    core.state.transaction = null;
    core.tell({ type: "abort", reason: "RSET" });
  }
  core.idleResult(OK);
}

function invalidCommand(core: SessionCore, refusal: Reply, name: string): void {
  core.fault("syntax", refusal.lines.join(" "));
  // What follows a BDAT we cannot read is a message, not commands.
  if (name === "BDAT") return core.close(refusal);
  if (name === "RCPT") return core.refuseRecipient(refusal);
  core.say(refusal);
}

const OK = { reply: fixedReply(250, "2.0.0", "OK") };
const BYE = fixedReply(221, "2.0.0", "bye");
