/**
 * The documentation of events, made from `src/events.ts` and the files of `src/events/`: each type with its comment and
 * fields. As a program it writes `docs/events.md`; a test holds the two together.
 *
 * @module
 */

/** One event as its type has it. */
export interface EventDoc {
  readonly type: string;
  readonly text: string;
  readonly fields: readonly FieldDoc[];
}

/** One field. */
export interface FieldDoc {
  readonly name: string;
  readonly type: string;
  readonly optional: boolean;
  /** What it is; of what means the same everywhere, {@link COMMON} tells. */
  readonly text: string;
}

/** Fields that mean the same in all events. */
export const COMMON: Readonly<Record<string, string>> = {
  session: "The session: a connection, or a call of a program. Unique for all time.",
  message: "The message: its session's id, a dot and a number; a notice has an id of its own.",
  listener: "The listener's name.",
  client: "The client's IP address; `unix` for a local socket, and for programs.",
  identity: "Who had logged in.",
  sender: "The reverse-path; `<>` for none.",
  recipients: "The forward-paths.",
  recipient: "The forward-path.",
  reply: "The SMTP reply: code, enhanced code and text in one line.",
  policy: "The policy's name.",
  reason: "Why, in words.",
  error: "What went wrong, in words.",
  where: "Where it went wrong.",
  address: "A socket's address, such as `0.0.0.0:25`.",
  size: "Octets, header section and body.",
  duration: "How long it took.",
  path: "A path on the disk.",
  file: "The file in the drop folder.",
  uid: "The number of the user it belonged to.",
  user: "That user's name, where it is known.",
};

/** The source of each area of events, in the order in which `src/events.ts` has them. */
export async function readEventSources(): Promise<string[]> {
  const read = (path: string) => Deno.readTextFile(new URL(`../../src/${path}`, import.meta.url));
  const source = await read("events.ts");
  const [, union = ""] = /export type MtaFact =([^;]+);/.exec(source) ?? [];
  const files = new Map(
    [...source.matchAll(/import type \{ (\w+) \} from "\.\/([^"]+)"/g)]
      .map(([, name = "", path = ""]) => [name, path]),
  );
  return await Promise.all([...union.matchAll(/\w+/g)].map(([name]) => read(files.get(name)!)));
}

/** Reads the types of events of one area. @throws where the file is not written as it should be. */
export function parseEvents(source: string): EventDoc[] {
  const body = source.slice(source.indexOf("export type "));
  const events: EventDoc[] = [];
  const members = /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*)?\| \{([^]*?)\}(?=\s*(?:\/\*\*|\||;))/g;
  for (const [, comment = "", members_] of body.matchAll(members)) {
    const fields = parseFields(members_ ?? "");
    const type = fields.find(({ name }) => name === "type")?.type.replaceAll('"', "");
    if (type === undefined) throw new Error(`an event without a type: ${members_}`);
    const rest = fields.filter(({ name }) => name !== "type");
    events.push({ type, text: plain(comment), fields: rest });
  }
  return events;
}

function parseFields(text: string): FieldDoc[] {
  const field = /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*)?readonly (\w+)(\??): ([^;]+);?/g;
  return [...text.matchAll(field)].map(([, comment = "", name = "", mark, type = ""]) => ({
    name,
    type: type.trim().replace(/\s+/g, " "),
    optional: mark === "?",
    text: plain(comment) || (COMMON[name] ?? ""),
  }));
}

/** A comment without its stars. */
function plain(comment: string): string {
  return comment.replace(/\s*\n\s*\* ?/g, " ").replace(/\s+/g, " ").trim();
}

/** The document, as Markdown that is not yet formatted. */
export function formatEventDocs(events: readonly EventDoc[]): string {
  const toc = events.map(({ type }) => `[\`${type}\`](#${type.replace(".", "")})`).join(" · ");
  return `${INTRODUCTION}\n${toc}\n\n${events.map(formatEvent).join("\n")}`;
}

function formatEvent({ type, text, fields }: EventDoc): string {
  const rows = fields.map(({ name, type, optional, text }) => {
    const kind = type.replace(/^readonly /, "").replaceAll("|", "\\|");
    return `| \`${name}\` | \`${kind}\` | ${optional ? "*Not always.* " : ""}${text} |`;
  });
  return `### ${type}\n\n${text}\n\n| field | type | |\n| --- | --- | --- |\n${rows.join("\n")}\n`;
}

const INTRODUCTION = `# Events

<!-- Made from src/events/ by \`deno task docs\`: change the files there, not this one. -->

All that happens in a station is an event. The log is one line for each; metrics and traces are made of
the same. A program that uses the library gets them as values, by \`onEvent\`.

With \`log.format: json\`, and wherever standard output is no terminal, a line is a JSON object: \`time\` (ISO 8601, UTC) and
\`type\` first, then the ids, then the rest. Names of events and fields are stable: new ones may come at any time, none goes or
changes its meaning without a new major version. Durations are milliseconds, sizes octets; in the JSON \`next\` is a time in ISO
8601 as well. What strangers chose (addresses, subjects, replies) is in it as they chose it, with control characters escaped.

## One mail from its connection to its end

A mail can be followed through the whole log by its ids:

- \`session\` is in all lines of a connection, from \`session.opened\` to \`session.closed\`.
- \`message\` is the session's id, a dot and a number, so the lines of the session are found from those of the message. It is
  in the reply that the client got (\`250 2.0.0 taken as …\`), in the Received field of the mail, and the id that
  \`yizhan queue\` shows.
- Attempts of the queue (\`delivery.done\`, \`delivery.deferred\`, \`delivery.failed\`) have the same \`message\`, also after a
  restart, and also where an alias sends the mail on. With \`message.done\` nothing of it is left. Over LMTP each recipient
  that goes on is a message of its own in the queue, \`MESSAGE.0\`, \`MESSAGE.1\`, …
- A notice (DSN) is a message of its own. Its \`message.queued\` says by \`about\` which message it tells of.
- Mail that a program left in the drop folder: \`drop.taken\` joins its \`file\` to its \`message\`.

\`\`\`sh
# all lines of the message kx3f.1.1, of its session kx3f.1, and of notices about it
jq -c 'select(.message == "kx3f.1.1" or .session == "kx3f.1" or .about == "kx3f.1.1")' < log
\`\`\`

## All events
`;

if (import.meta.main) {
  const root = new URL("../../", import.meta.url);
  const events = (await readEventSources()).flatMap(parseEvents);
  await Deno.mkdir(new URL("docs/", root), { recursive: true });
  await Deno.writeTextFile(new URL("docs/events.md", root), formatEventDocs(events));
}
