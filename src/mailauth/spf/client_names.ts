/**
 * The validated names of a client (RFC 7208 §5.5): those its address leads to, and that lead back to it. Whoever has
 * the address chooses the names, so only so many are looked at, and only those that matter; and whose name servers keep
 * silent does not use up the time of the check, which would then say nothing of a forger.
 *
 * What fails: nothing. Where DNS is ill there is no such name.
 *
 * @module
 */

import { canonicalIp } from "../../net_address.ts";
import type { SpfQuestions } from "./questions.ts";

/** See {@link rank}. */
const OTHER = 2;

/** The names of the client of one check. Each question is asked once. */
export class ClientNames {
  readonly #ip: string;
  readonly #questions: SpfQuestions;
  #names: readonly string[] | null = null;
  #none = false;
  readonly #validated = new Map<string, boolean>();

  /** The names of this client. @param ip canonical. */
  constructor(ip: string, questions: SpfQuestions) {
    this.#ip = ip;
    this.#questions = questions;
  }

  /** Whether the names are known, so that nobody need be asked for them. */
  get known(): boolean {
    return this.#names !== null;
  }

  /** Whether DNS says that the address has no name at all. */
  async areNone(): Promise<boolean> {
    await this.#questions.hurried((questions) => this.#all(questions));
    return this.#none;
  }

  /** Whether a validated name is this domain, or one below it. */
  areUnder(domain: string): Promise<boolean> {
    return this.#questions.hurried(async (questions) => {
      for (const name of await this.#all(questions)) {
        if (rank(name, domain) < OTHER && await this.#leadsBack(name, questions)) return true;
      }
      return false;
    });
  }

  /** What `%{p}` stands for (RFC 7208 §7.3): the domain itself, one below it, or any validated name; else `unknown`. */
  nameFor(domain: string): Promise<string> {
    return this.#questions.hurried(async (questions) => {
      const all = await this.#all(questions);
      const names = [...all].sort((a, b) => rank(a, domain) - rank(b, domain));
      for (const name of names) if (await this.#leadsBack(name, questions)) return name;
      return "unknown";
    });
  }

  async #all(questions: SpfQuestions): Promise<readonly string[]> {
    if (this.#names !== null) return this.#names;
    const answer = await questions.askNames(this.#ip);
    this.#none = answer.status === "none";
    // A label with a dot in it (`\.`) would look like two, and below a domain it is not below.
    const names = answer.status === "found" ? answer.records : [];
    return this.#names = names.filter((name) => name !== "" && !name.includes("\\"));
  }

  async #leadsBack(name: string, questions: SpfQuestions): Promise<boolean> {
    const known = this.#validated.get(name);
    if (known !== undefined) return known;
    const answer = await questions.askAddresses(name, this.#ip.includes(":"));
    const leads = answer.status === "found" &&
      answer.records.some((address) => canonicalIp(address) === this.#ip);
    this.#validated.set(name, leads);
    return leads;
  }
}

/** 0: the domain itself; 1: below it; {@link OTHER}: another. */
function rank(name: string, domain: string): number {
  const [one, other] = [name.toLowerCase(), domain.toLowerCase()];
  return one === other ? 0 : one.endsWith(`.${other}`) ? 1 : OTHER;
}
