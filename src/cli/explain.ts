/**
 * `yizhan explain`: what would happen to a mail, and why. It asks nobody but name servers, and with `--connect` the
 * next servers; no mail is sent and nothing is written.
 *
 * @module
 */

import { type Address, parseAddress } from "../address.ts";
import { explainConnect } from "../admin/explain_connect.ts";
import { explain as explainMail } from "../admin/explain.ts";
import type { ExplainStep, Explanation } from "../admin/explanation.ts";
import { ledgerFolder, stsFolder } from "../config/paths.ts";
import { stationOptions } from "../config/station.ts";
import { openFileDirectory } from "../directory/file_directory.ts";
import { canonicalIp, classifyIp } from "../net_address.ts";
import { escapeJson } from "../observe/visible_text.ts";
import type { Command, CommandLine } from "./command.ts";
import { CONFIG_FLAG, loadConfigFor } from "./config_file.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { explainedGuards } from "./explained_guards.ts";
import { explainedPolicies } from "./explained_policies.ts";
import { explainedSender } from "./explained_sender.ts";
import { formatExplanation } from "./explain_text.ts";
import { serverRuntime } from "./machine.ts";
import { requirePermissions } from "./permissions.ts";
import { isColourful, warn } from "./terminal.ts";
import { explainFailure } from "./trouble.ts";

/** The command. */
export const explain: Command = {
  name: "explain",
  usage: "RECIPIENT [--from SENDER] [--login USER] [--client IP] [--connect] [FLAGS]",
  description: [
    "What would happen to a mail, and why: what each listener would answer to RCPT, what the address means",
    "here (aliases, catch-all, mailbox and room in it), which way it would go (route, hosts by MX in order,",
    "TLS, login), and when it would be tried again. It goes by the configuration in the file, which the",
    "running server need not have read yet; a server need not run.",
    "",
    "With --client, bans and greylisting answer by what the server remembers, as of some seconds ago; with",
    "--from too, what SPF and DMARC say of the sender's domain is told, for a mail that nobody has signed. The",
    "other limits against abuse, and filters, go by what a client does, by DNS and by what a message holds:",
    "they are not asked, but named.",
    "",
    "Nothing is sent or stored. Name servers are asked; with --connect the first of the next servers too,",
    "up to EHLO, TLS and the login of the route, then QUIT.",
    "",
    "Exit codes: 0 explained, whatever would happen; 64 wrong command line, 78 wrong configuration.",
  ].join("\n"),
  flags: {
    ...CONFIG_FLAG,
    from: {
      value: "SENDER",
      help: 'The reverse-path; "<>" for that of notices (default someone@example.com)',
    },
    login: {
      value: "USER",
      help: "Who has logged in where that is offered (default SENDER, where it is a user)",
    },
    client: {
      value: "IP",
      help: "Where the client connects from (default one that nobody knows, 203.0.113.1)",
    },
    requiretls: { help: "The mail comes with REQUIRETLS (RFC 8689)" },
    connect: { help: "Ask the next servers too" },
    verbose: { help: "Show what was said, line by line" },
    json: { help: "Print JSON" },
  },
  examples: [
    "explain alice@example.org",
    "explain someone@example.net --from alice@example.org --connect",
    "explain team@example.org --client 192.0.2.7 --verbose",
  ],
  run: runExplain,
};

async function runExplain(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const question = readQuestion(line);
  const loaded = await loadConfigFor(line);
  const { config, paths, certificates } = loaded;
  const { nameServers, dnssec } = config.relay;
  const memory = question.client === undefined ? null : ledgerFolder(paths);
  requirePermissions({
    read: [
      ...[paths.users, paths.mail, paths.queue],
      ...memory === null ? [] : [memory],
      ...config.relay.enabled ? [stsFolder(paths)] : [],
      ...nameServers.length === 0 ? ["/etc/resolv.conf"] : [],
    ],
    write: [],
    listen: [],
    outward: true,
    sys: ["statfs"],
  }, words);
  const runtime = serverRuntime({ outward: line.has("connect"), nameServers, dnssec });
  try {
    const directory = await openFileDirectory({
      ...runtime,
      path: paths.users,
      domains: config.domains,
    });
    const policies = await explainedPolicies(config, runtime, memory, warn);
    const options = {
      ...{ ...stationOptions(loaded), runtime, directory, certificates },
      policies: policies.asked,
      guards: explainedGuards(runtime, stsFolder(paths), line.has("connect")),
    };
    const { explanation, station, ways } = await explainMail(options, question);
    const steps = [...explanation.steps];
    const taken = steps.findLastIndex(({ step, outcome }) =>
      step === "reply" && outcome === "good"
    );
    if (taken >= 0) {
      // The usual sender is nobody's.
      const sender = line.value("from") === undefined
        ? []
        : await explainedSender(question, config, runtime);
      // What was told above is not told to be unknown.
      const leftOut = policies.leftOut.filter((name) =>
        name !== "authentication" || sender.length === 0
      );
      steps.splice(taken + 1, 0, ...sender, ...describeLeftOut(leftOut));
    }
    const { login } = question;
    if (login !== undefined && !steps.some(({ about }) => about.includes(`, ${login} from `))) {
      warn(`--login ${login}: no listener offers to log in, so it makes no difference`);
    }
    if (line.has("connect")) {
      for (const targets of ways) {
        steps.push(...await explainConnect(station, targets, new AbortController().signal));
      }
    }
    print({ ...explanation, steps }, line);
    return EXIT.ok;
  } catch (error) {
    throw explainFailure("cannot explain", error) ?? error;
  }
}

/** They would be asked about a visit that never was, and a message that there is not. */
function describeLeftOut(names: readonly string[]): ExplainStep[] {
  if (names.length === 0) return [];
  return [{
    step: "policies",
    about: names.join(", "),
    outcome: "told",
    verdict: "not asked",
    because:
      "they go by what the client did before, by DNS, or by the message itself, and may put it off " +
      "or refuse it (abuse, authentication and filters in the configuration)",
  }];
}

function readQuestion(line: CommandLine) {
  const [given, ...more] = line.operands;
  if (given === undefined || more.length > 0) {
    throw new UsageError("explain takes one recipient, such as alice@example.org");
  }
  const from = line.value("from") ?? "someone@example.com";
  const client = line.value("client");
  if (client !== undefined && classifyIp(client) === null) {
    throw new UsageError(`--client ${client} is no IP address, such as 192.0.2.7`);
  }
  const login = line.value("login");
  return {
    recipient: readAddress("the recipient", given),
    sender: from === "<>" ? null : readAddress("--from", from),
    requireTls: line.has("requiretls"),
    ...(client !== undefined && { client: canonicalIp(client) }),
    ...(login !== undefined && { login }),
  };
}

function readAddress(what: string, text: string): Address {
  const bare = text.replace(/^<(.*)>$/, "$1");
  // RFC 5321 §4.1.1.3: the only one without a domain.
  if (/^postmaster$/i.test(bare)) return { local: bare, domain: "" };
  const address = parseAddress(bare, { smtputf8: true });
  if (address !== null) return address;
  throw new UsageError(`${what} ${text} is no mail address, such as alice@example.org`);
}

function print(explanation: Explanation, line: CommandLine): void {
  const paint = { colour: isColourful("stdout"), verbose: line.has("verbose") };
  console.log(
    line.has("json")
      ? escapeJson(JSON.stringify(explanation))
      : formatExplanation(explanation, paint),
  );
}
