/**
 * Whether the texts by which others judge a domain's mail are there and can be read: DKIM, DMARC, TLS-RPT and
 * MTA-STS. Another text than the one proposed is as good where it means what it must.
 *
 * @module
 */

import { type DkimPublicKey, dkimRecordProblem } from "./dkim_key.ts";
import {
  type DnsFinding,
  type DnsLook,
  finding,
  judgeAnswer,
  type Judgement,
  textData,
} from "./dns_finding.ts";
import type { WantedRecord } from "./wanted_record.ts";
import { parseTagList, type TagList } from "../mailauth/tag_list.ts";

/** Whether the published key is ours. */
export async function checkDkim(
  { resolver, signal }: DnsLook,
  record: WantedRecord,
  key: DkimPublicKey,
): Promise<DnsFinding> {
  const answer = await resolver.txt(record.name, signal);
  return judgeAnswer(record, answer, textData, (texts) => {
    // RFC 6376 §3.6.2.2: what several mean is not defined.
    if (texts.length > 1) {
      return different("there is more than one text", "leave only the one wanted");
    }
    const problem = dkimRecordProblem(texts[0] ?? "", key);
    if (problem !== null) return different(`it ${problem}`, "publish the one wanted in its place");
    const tests = parseTagList(texts[0]!)?.get("t")?.split(":").includes("y") === true;
    return ok(`it has our key${tests ? "; t=y says that it is only a test" : ""}`);
  });
}

/** Whether there is a policy, that of the domain or of one above it (RFC 7489 §6.6.3). */
export async function checkDmarc(look: DnsLook, record: WantedRecord): Promise<DnsFinding> {
  const result = await checkText(look, record, "DMARC1", judgeDmarc);
  if (result.status !== "missing") return result;
  for (const above of domainsAbove(record.name.slice("_dmarc.".length))) {
    const answer = await look.resolver.txt(`_dmarc.${above}`, look.signal);
    if (answer.status !== "found") continue;
    const found = answer.records.filter((text) => isOf(text, "DMARC1"));
    if (found.length !== 1) continue;
    const { status, message, advice } = judgeDmarc(parseTagList(found[0]!));
    const about = `that of ${above} holds: ${message}`;
    return finding(record, found.map(textData), {
      status,
      message: about,
      ...(advice && { advice }),
    });
  }
  return result;
}

function judgeDmarc(tags: TagList | null): Judgement {
  const policy = tags?.get("p")?.toLowerCase();
  if (tags === null || policy === undefined || !/^(?:none|quarantine|reject)$/.test(policy)) {
    return different("it has no policy", "p must be none, quarantine or reject");
  }
  const reports = tags.get("rua");
  if (reports !== undefined && !isUriList(reports, /^mailto:[^@\s]+@\S+$/i)) {
    return different(`rua=${reports} is no address`, "write rua=mailto:ADDRESS");
  }
  const told = reports === undefined ? "nobody gets reports (rua)" : `reports go to ${reports}`;
  return ok(`p=${policy}; ${told}`);
}

/** Whether reports of failed TLS go somewhere. */
export async function checkTlsRpt(look: DnsLook, record: WantedRecord): Promise<DnsFinding> {
  return await checkText(look, record, "TLSRPTv1", (tags) => {
    const reports = tags?.get("rua");
    if (reports === undefined || !isUriList(reports, /^(?:mailto:[^@\s]+@\S+|https:\/\/\S+)$/i)) {
      return different("it does not say where reports go", "write rua=mailto:ADDRESS");
    }
    return ok(`reports go to ${reports}`);
  });
}

/**
 * Whether MTA-STS is announced. The policy itself is at a web server, which is not asked.
 *
 * @param served the id of the policy that this host serves; `null`: it serves none.
 */
export async function checkMtaSts(
  look: DnsLook,
  record: WantedRecord,
  served: string | null,
): Promise<DnsFinding> {
  const result = await checkText(look, record, "STSv1", (tags) => {
    const id = tags?.get("id") ?? "";
    if (!/^[A-Za-z0-9]{1,32}$/.test(id)) {
      return different("it has no id", "write id= and up to 32 letters and digits");
    }
    if (served !== null && id !== served) {
      const message = `the policy that is served has another id: others go by an older one`;
      return different(message, "publish the one wanted");
    }
    return ok(`id ${id}`);
  });
  if (result.status !== "ok") return result;
  if (served !== null) return { ...result, message: `${result.message}, of the policy served` };
  const host = record.name.replace(/^_/, "");
  const url = `https://${host}/.well-known/mta-sts.txt`;
  const answers = await Promise.all([
    look.resolver.a(host, look.signal),
    look.resolver.aaaa(host, look.signal),
  ]);
  if (answers.every(({ status }) => status === "none")) {
    const message = `it announces a policy, and ${host} has no address to serve it from`;
    return {
      ...result,
      status: "different",
      message,
      advice: `serve ${url}, or take the record out`,
    };
  }
  return { ...result, message: `${result.message}; the policy was not fetched: see ${url}` };
}

/** A text that begins with `v=VERSION`. The name may have others. */
async function checkText(
  { resolver, signal }: DnsLook,
  record: WantedRecord,
  version: string,
  judge: (tags: TagList | null) => Judgement,
): Promise<DnsFinding> {
  const answer = await resolver.txt(record.name, signal);
  return judgeAnswer(record, answer, textData, (texts) => {
    const own = texts.filter((text) => isOf(text, version));
    if (own.length === 1) return judge(parseTagList(own[0]!));
    if (own.length > 1) {
      return different("there is more than one, so none counts", "leave one of them");
    }
    return different(`the text does not begin with v=${version}`, "publish the one wanted");
  });
}

function isOf(text: string, version: string): boolean {
  return new RegExp(`^v\\s*=\\s*${version}\\s*(?:;|$)`).test(text);
}

/** URIs with commas between; DMARC's may end in a size, `!10m`. */
function isUriList(text: string, uri: RegExp): boolean {
  return text.split(",").every((one) => uri.test(one.trim()));
}

/** `a.b.example.org`: b.example.org, example.org. */
function domainsAbove(domain: string): string[] {
  const labels = domain.split(".");
  return labels.slice(1, -1).map((_, index) => labels.slice(index + 1).join("."));
}

function ok(message: string): Judgement {
  return { status: "ok", message };
}

function different(message: string, advice: string): Judgement {
  return { status: "different", message, advice };
}
