/**
 * All commands of the program, by name. A command is loaded when it is asked for: `--version` must not
 * wait for what `serve` needs.
 *
 * @module
 */

import type { CommandEntry } from "./command.ts";

/** In the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "demo",
    summary: "watch a mail travel from station to station",
    load: () => import("./demo.ts").then((module) => module.demo),
  },
  {
    name: "dev",
    summary: "catch all mail on this machine, for development",
    load: () => import("./dev.ts").then((module) => module.dev),
  },
  {
    name: "init",
    summary: "make all that a mail server for your domain begins with",
    load: () => import("./init.ts").then((module) => module.init),
  },
  {
    name: "serve",
    summary: "run a mail server for real users",
    load: () => import("./serve.ts").then((module) => module.serve),
  },
  {
    name: "reload",
    summary: "make the running server read its configuration again",
    load: () => import("./reload.ts").then((module) => module.reload),
  },
  {
    name: "status",
    summary: "show how the running server is",
    load: () => import("./status.ts").then((module) => module.status),
  },
  {
    name: "config",
    summary: "show the configuration in force, all defaults, the schema for editors",
    load: () => import("./config.ts").then((module) => module.config),
  },
  {
    name: "dns",
    summary: "compare the DNS records that should be there with those that are",
    load: () => import("./dns.ts").then((module) => module.dns),
  },
  {
    name: "dkim",
    summary: "make, show and rotate the keys that sign mail",
    load: () => import("./dkim.ts").then((module) => module.dkim),
  },
  {
    name: "dmarc",
    summary: "sum up what others report of mail in the name of your domains",
    load: () => import("./dmarc.ts").then((module) => module.dmarc),
  },
  {
    name: "queue",
    summary: "see and change the mail that waits to be delivered",
    load: () => import("./queue.ts").then((module) => module.queue),
  },
  {
    name: "bans",
    summary: "see, add and end bans of clients that misbehave",
    load: () => import("./bans.ts").then((module) => module.bans),
  },
  {
    name: "check",
    summary: "look for what is wrong, before a start or while the server runs",
    load: () => import("./check.ts").then((module) => module.check),
  },
  {
    name: "explain",
    summary: "what would happen to a mail, and why",
    load: () => import("./explain.ts").then((module) => module.explain),
  },
  {
    name: "trace",
    summary: "follow SMTP conversations while they go on",
    load: () => import("./trace.ts").then((module) => module.trace),
  },
  {
    name: "send",
    summary: "send a mail that comes on standard input",
    load: () => import("./send.ts").then((module) => module.send),
  },
  {
    name: "sendmail",
    summary: "send, for programs that know sendmail",
    load: () => import("./send.ts").then((module) => module.sendmail),
  },
  {
    name: "user",
    summary: "add and remove users and aliases, change passwords",
    load: () => import("./user.ts").then((module) => module.user),
  },
  {
    name: "man",
    summary: "print or write the manual pages",
    load: () => import("./man.ts").then((module) => module.manCommand(COMMANDS)),
  },
  {
    name: "completion",
    summary: "print a script for the shell to complete with",
    load: () => import("./completion.ts").then((module) => module.completionCommand(COMMANDS)),
  },
];
