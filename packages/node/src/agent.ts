import type { ApiClient, ClusterView } from "@fairlead/api";
import { compileSelector, kinds } from "@fairlead/api";
import type { Bird } from "@fairlead/bgp";
import {
  type Attachment,
  type AttachmentStore,
  type BeenReady,
  type Cni,
  type CniComponents,
  createCni,
  type Log,
  openStatusFiles,
  type StateFiles,
  type Wiring,
} from "@fairlead/cni";
import type { Workloads } from "@fairlead/ipam";
import type { NetworkNamespace } from "@fairlead/netlink";
import type { PolicyEngine } from "@fairlead/policy";
import type { WorkloadRoutes } from "@fairlead/routes";
import { createPodAnnotator } from "./annotator.ts";
import { createBirdUpdater } from "./bird-updater.ts";
import { watchCalls } from "./calls-under-way.ts";
import type { Clock } from "./clock.ts";
import { isWiredElsewhere, watchCluster } from "./cluster-watch.ts";
import { convergenceOf } from "./convergence.ts";
import { createDepartures } from "./departures.ts";
import { createEar } from "./ear.ts";
import { createEndpointRoutes } from "./endpoint-routes.ts";
import { createEndpoints } from "./endpoints.ts";
import { createEventReporter } from "./event-reporter.ts";
import { factsOf } from "./facts.ts";
import { createGuestMacs } from "./guest-macs.ts";
import type { Complaints } from "./health-server.ts";
import { createIdentity } from "./identity.ts";
import { createLeftBehind } from "./left-behind.ts";
import { type AgentMetrics, createAgentMetrics } from "./metrics.ts";
import type { MigrationMemory } from "./migration-components.ts";
import { createMigrations, type Migrations } from "./migrations.ts";
import type { NodeEvidence } from "./node-evidence.ts";
import { poolFamilies } from "./pool-families.ts";
import { createPromoter } from "./promotion.ts";
import { createBeenReadyInMemory, createNodeReadiness } from "./readiness.ts";
import { createRecovery } from "./recovery.ts";
import type { Reflexes } from "./reflex.ts";
import type { Remarks } from "./remarks.ts";
import { createRivals } from "./rivals.ts";
import type { RoutePriorities } from "./route-priorities.ts";
import { readSpeaker } from "./speaker.ts";
import type { Timeline } from "./timeline.ts";

/** What the agent is made of. Each may be the real one or its package's fake. */
export interface AgentComponents {
  readonly nodeName: string;
  readonly client: ApiClient;
  readonly view: ClusterView;
  readonly workloads: Workloads;
  readonly policy: PolicyEngine;
  readonly routes: WorkloadRoutes;
  /** The metrics `routes` works with. */
  readonly priorities?: RoutePriorities;
  readonly reflexes: Reflexes;
  /** Namespace of the node, for listening; default: the process's own. */
  readonly netns?: NetworkNamespace;
  readonly bird: Pick<Bird, "apply" | "routesElsewhere">;
  readonly wiring: Wiring;
  readonly attachments: AttachmentStore;
  /** Where to look for what is not noted. Absent: nowhere. */
  readonly evidence?: NodeEvidence;
  /** For endpoints' status files. */
  readonly statusFiles?: StateFiles;
  /** Absent: only this process knows. */
  readonly beenReady?: BeenReady;
  readonly memory: MigrationMemory;
  readonly timeline: Timeline;
  /** What an operator should know; counted in the metrics. */
  readonly remarks?: Remarks;
  readonly clock: Clock;
  readonly log: Log;
  readMtu(): number | undefined;
}

export interface Agent extends AsyncDisposable {
  readonly cni: Cni;
  readonly migrations: Pick<Migrations, "list" | "recordOf">;
  readonly metrics: AgentMetrics;
  /** Takes up what an earlier run left; resolves when the cluster is known and everything is in force. */
  start(signal?: AbortSignal): Promise<void>;
  complaints(): Complaints;
}

/** Puts the parts together. Nothing happens before `start`. */
export function createAgent(components: AgentComponents): Agent {
  const { nodeName, client, view, policy, routes, attachments, timeline, clock, log } = components;
  const problem = (part: string, attachment?: Attachment) => (err: unknown) => {
    metrics.problem(part);
    log.warn(
      { err, part, ...(attachment && { pod: attachment.pod }) },
      "a problem was met; it is tried again",
    );
  };
  const perEndpoint = (part: string) => (error: unknown, attachment: Attachment) =>
    problem(part, attachment)(error);

  const guestMacs = createGuestMacs(view, components.memory);
  const promoter = createPromoter({
    workloads: components.workloads,
    nodeName,
    clock,
    timeline,
    onFailure(attachment, attempt, err) {
      metrics.promotionFailed();
      log.warn(
        { pod: attachment.pod, attempt, err },
        "the target does not own its addresses yet; it is tried again",
      );
    },
  });
  const reporter = createEventReporter({ client, nodeName, now: Date.now, onError: problem("events") });
  const migrations = createMigrations({
    routes: createEndpointRoutes({
      routes,
      timeline,
      macOf: guestMacs.of,
      onError: perEndpoint("routes"),
      ...(components.priorities && { priorities: components.priorities }),
    }),
    ear: createEar({
      reflexes: components.reflexes,
      netns: components.netns,
      guestMacOf: guestMacs.of,
      elevationOf: ({ hostInterface }, rank) => routes.planState(hostInterface, "elevated", rank),
      onProblem: perEndpoint("announcements"),
    }),
    rivals: createRivals({
      bird: components.bird,
      priorities: components.priorities,
      // Before the cluster is known nobody can say that there is none.
      isWiredElsewhere: (attachment) => !watch || isWiredElsewhere(view, nodeName, attachment),
      onProblem: perEndpoint("rivals"),
    }),
    promoter,
    memory: components.memory,
    clock,
    timeline,
    convergence: () => convergenceOf(view.get(kinds.FelixConfiguration, { name: "default" })),
    onState(attachment, record, because) {
      endpoints.refresh(attachment);
      metrics.stateChanged(record.state, because);
      log.info({ pod: attachment.pod, state: record.state, epoch: record.epoch, because }, "migration state");
      if (because !== "Start") reporter.report(attachment, record, because);
    },
    onElevated: (seconds) => metrics.elevated(seconds),
  });
  const metrics = createAgentMetrics({
    statesNow: () => migrations.list().map(({ record }) => record.state),
    pendingPromotions: () => promoter.pending(),
    remarks: components.remarks,
  });
  const departures = createDepartures({
    reflexes: components.reflexes,
    netns: components.netns,
    timeline,
    onSent: metrics.sentAfterGuest,
    onProblem: perEndpoint("stragglers"),
  });
  const endpoints = createEndpoints({
    policy,
    migrations,
    timeline,
    factsOf: (attachment) => factsOf(view, attachment, guestMacs.of(attachment)),
    onError: perEndpoint("policy"),
  });
  const birdUpdater = createBirdUpdater({
    bird: components.bird,
    clock,
    read: () => readSpeaker(view, nodeName, components.priorities),
    selects: (selector, labels) => compileSelector(selector)(labels),
    onApplied: (outcome, problems) =>
      outcome !== "unchanged" && log.info({ outcome, problems }, "BIRD's configuration"),
    onError: problem("bird"),
  });

  const work = new DisposableStack();
  const readiness = createNodeReadiness({
    policy,
    log,
    beenReady: components.beenReady ?? createBeenReadyInMemory(),
  });
  work.use(guestMacs);

  const cniComponents: CniComponents = {
    nodeName,
    identity: createIdentity({ client, view, nodeName }),
    addresses: components.workloads,
    poolFamilies: () => poolFamilies(view),
    wiring: components.wiring,
    endpoints: {
      ...endpoints,
      add(attachment) {
        leftBehind.renewed(attachment);
        endpoints.add(attachment);
      },
      wired(attachment) {
        endpoints.wired(attachment);
        // The guest may have come while ADD was retried.
        watch?.look(attachment);
      },
      remove(attachment) {
        leftBehind.removed(attachment);
        departures.set(attachment, false);
        endpoints.remove(attachment);
      },
    },
    annotator: createPodAnnotator(client),
    attachments,
    statusFiles:
      components.statusFiles ??
      openStatusFiles((file, err) => log.warn({ file, err }, "an endpoint's status file is owed")),
    readiness: readiness.status,
    readMtu: components.readMtu,
    log,
    onTiming: metrics.added,
  };
  let watch: ReturnType<typeof watchCluster> | undefined;
  const cni = watchCalls(createCni(cniComponents));
  const recovery = work.use(
    createRecovery({
      nodeName,
      evidence: components.evidence,
      view,
      attachments,
      memory: components.memory,
      policy,
      routes,
      cni,
      clock,
      log,
      remarks: components.remarks,
      onLate: takeUp,
      onError: problem("recovery"),
    }),
  );
  const leftBehind = createLeftBehind({ list: () => recovery.present(attachments.list()) });

  function takeUp(attachment: Attachment): void {
    migrations.resume(attachment, migrationOf(attachment));
    endpoints.add(attachment);
    endpoints.wired(attachment);
    watch?.look(attachment);
  }

  return {
    cni,
    migrations,
    metrics,
    complaints: readiness.complaints,
    async start(signal) {
      await policy.start(signal ? { signal } : {});
      // Routes go on from kernel and files, without the API; policy in the kernel stays as it is until the cluster is known.
      const noted = leftBehind.list();
      for (const attachment of noted) migrations.resume(attachment, migrationOf(attachment));
      await view.synced(signal);
      const found = await recovery.recover(signal);
      for (const attachment of found) migrations.resume(attachment, migrationOf(attachment));
      // Calls were served meanwhile: what is still left behind is asked again.
      const left = leftBehind.list();
      for (const attachment of [...noted.filter((one) => left.includes(one)), ...found]) {
        endpoints.add(attachment);
        endpoints.wired(attachment);
      }
      watch = work.use(
        watchCluster({
          view,
          policy,
          endpoints: endpoints.list,
          refresh(attachment) {
            endpoints.refresh(attachment);
            migrations.refresh(attachment);
          },
          tell: migrations.tell,
          departing: departures.set,
          touchBird: birdUpdater.touch,
        }),
      );
      for (const attachment of endpoints.list()) watch.look(attachment);
      policy.synced();
      // What a reflex has done is no foreign change.
      work.use(routes.run({ beforeComparing: migrations.hear }));
      await Promise.all(endpoints.list().map(migrations.listening));
      readiness.known();
      log.info({ endpoints: endpoints.list().length }, "agent started");
    },
    async [Symbol.asyncDispose]() {
      work.dispose();
      birdUpdater.close();
      departures.close();
      migrations.close();
      await reporter.idle();
    },
  };

  function migrationOf(attachment: Attachment) {
    return attachment.role === "target" ? factsOf(view, attachment).migration : undefined;
  }
}
