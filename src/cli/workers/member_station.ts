/**
 * A station that serves beside the first one of the process: in a thread, or in the same one where it only
 * delivers what a former thread left. It is made of a plan, and does what it is asked to.
 *
 * What fails: `start` throws what {@link startMta} and the users file throw. A `prepare` that fails has changed
 * nothing.
 *
 * @module
 */

import { ControlError, type ControlLine, type JsonObject } from "../../admin/control_protocol.ts";
import type { ControlCommand } from "../../admin/control_server.ts";
import { mailCommands } from "../../admin/mail_commands.ts";

import { buildPolicies } from "../../config/policies/build.ts";
import { openFileDirectory } from "../../directory/file_directory.ts";
import type { EventSink } from "../../events.ts";
import { type Mta, type PreparedReload, startMta } from "../../mta.ts";
import type { MtaOptions } from "../../mta_options.ts";
import type { Ledger } from "../../policy/ledger/ledger.ts";
import { type DkimKeyText, SigningKeys } from "../../policy/mailauth/signing_keys.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import { policyServices } from "../policy_services.ts";
import { CountingObserver } from "../dmarc_observer.ts";
import { RoadGuards } from "../road_guards.ts";
import { describeError, explainFailure } from "../trouble.ts";
import type { MemberPlan } from "./messages.ts";

/** What it is made of, beside a plan. */
export interface MemberServices {
  readonly runtime: Runtime;
  /** What policies remember: one for all threads. */
  readonly ledger: Ledger;
  readonly onEvent: EventSink;
  /** A client has asked by ETRN. */
  readonly onTurn: (domain: string) => void;
  /** Something for the operator. */
  readonly say: (text: string, warning: boolean) => void;
  /** Another plan is in force. */
  readonly onReload?: (plan: MemberPlan) => void;
}

/** Another plan, ready to be adopted. */
interface Prepared {
  readonly plan: MemberPlan;
  readonly signing: SigningKeys;
  readonly reload: PreparedReload;
}

/** What lasts as long as the station, whatever the plan. */
interface Lasting {
  readonly road: RoadGuards | null;
  readonly observer: CountingObserver | null;
}

/** A station and its commands. */
export class MemberStation {
  readonly #mta: Mta;
  readonly #services: MemberServices;
  readonly #lasting: Lasting;
  #signing: SigningKeys;
  #prepared: Prepared | null = null;

  private constructor(
    mta: Mta,
    signing: SigningKeys,
    lasting: Lasting,
    services: MemberServices,
  ) {
    this.#mta = mta;
    this.#lasting = lasting;
    this.#signing = signing;
    this.#services = services;
  }

  /** Starts it. */
  static async start(plan: MemberPlan, services: MemberServices): Promise<MemberStation> {
    const signing = await SigningKeys.open(plan.keys);
    const warn = (text: string) => services.say(text, true);
    const { runtime } = services;
    const road = plan.road && await RoadGuards.open(runtime, plan.road, warn);
    const observer = plan.observer && await CountingObserver.open(runtime, plan.observer, warn);
    const lasting = { road, observer };
    const mta = await startMta(await optionsOf(plan, signing, lasting, services));
    return new MemberStation(mta, signing, lasting, services);
  }

  /** What it can be asked: see `messages.ts`. */
  commands(): Readonly<Record<string, ControlCommand>> {
    const mta = this.#mta;
    const lasting = this.#lasting;
    return {
      ...mailCommands(mta, this.#services.runtime),
      async *status(): AsyncGenerator<ControlLine, JsonObject> {
        yield { type: "status", ...mta.status() };
        return {};
      },
      prepare: doing(async ({ plan }) => {
        const next = plan as MemberPlan;
        const signing = await SigningKeys.open(next.keys);
        const options = await optionsOf(next, signing, lasting, this.#services);
        const reload = await mta.prepareReload(options);
        this.#prepared = { plan: next, signing, reload };
      }),
      adopt: doing(() => this.#adopt()),
      discard: doing(async () => {
        await this.#prepared?.reload.discard();
        this.#prepared = null;
      }),
      certificates: doing(({ certificates }) =>
        mta.replaceCertificates(certificates as TlsCertificate[])
      ),
      keys: doing(({ keys }) => this.#signing.replace(keys as DkimKeyText[])),
      turn: doing(({ domain }) => mta.startDomain(String(domain))),
      stop: doing(async ({ grace }) => {
        await mta.stop({ grace: Number(grace) });
        await Promise.all([lasting.road?.close(), lasting.observer?.close()]);
      }),
    };
  }

  #adopt(): void {
    // One that was started anew meanwhile knows nothing of it.
    if (this.#prepared === null) throw new Error("nothing was prepared");
    const { plan, signing, reload } = this.#prepared;
    this.#prepared = null;
    reload.adopt();
    this.#signing = signing;
    const { road, observer } = this.#lasting;
    if (road !== null) road.counts = plan.road?.reports ?? false;
    if (observer !== null) observer.counts = plan.observer?.reports ?? false;
    this.#services.onReload?.(plan);
  }
}

/** A command that says nothing but that it is done, or in words why not. */
export function doing(act: (request: JsonObject) => void | Promise<void>): ControlCommand {
  // deno-lint-ignore require-yield
  return async function* (request) {
    try {
      await act(request);
    } catch (error) {
      const message = explainFailure("cannot serve", error)?.message ?? describeError(error);
      throw new ControlError("failed", message, { cause: error });
    }
    return {};
  };
}

async function optionsOf(
  { options, policies, users, domains }: MemberPlan,
  signing: SigningKeys,
  { road, observer }: Lasting,
  { runtime, ledger, onEvent, onTurn, say }: MemberServices,
): Promise<MtaOptions> {
  const directory = await openFileDirectory({
    ...runtime,
    path: users,
    domains,
    onChange: () => say("users reloaded", false),
    onTrouble: (error) => say(`the users stay as they were: ${describeError(error)}`, true),
  });
  return {
    ...options,
    ...{ runtime, directory, onEvent, onTurn },
    ...(road && { guards: road.guards }),
    policies: buildPolicies(
      policies,
      policyServices(runtime, ledger, onEvent, signing, observer?.observe),
    ),
  };
}
