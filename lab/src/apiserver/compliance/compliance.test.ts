import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe } from "vitest";
import { Connection, startControllers } from "../../controllers/index.ts";
import { startApiServer } from "../index.ts";
import { stringAt } from "../json.ts";
import { accessCases } from "./access.compliance.ts";
import { admissionCases } from "./admission.compliance.ts";
import { applyCases } from "./apply.compliance.ts";
import { startFromAssets } from "./assets.ts";
import { chosenCluster } from "./chosen-cluster.ts";
import { customCases } from "./custom.compliance.ts";
import { deletionCases } from "./deletion.compliance.ts";
import { discoveryCases } from "./discovery.compliance.ts";
import { informerCases } from "./informer.compliance.ts";
import { integerCases } from "./integers.compliance.ts";
import { kubectlCases } from "./kubectl.compliance.ts";
import { objectCases } from "./objects.compliance.ts";
import { patchCases } from "./patch.compliance.ts";
import { ruleCases } from "./rules.compliance.ts";
import { Client, type Subject, type Target } from "./target.ts";
import { watchCases } from "./watch.compliance.ts";

interface Running {
  readonly target: Target;
  stop(): Promise<void>;
}

const suites = [
  objectCases,
  watchCases,
  patchCases,
  applyCases,
  customCases,
  integerCases,
  ruleCases,
  admissionCases,
  deletionCases,
  accessCases,
  discoveryCases,
  informerCases,
  kubectlCases,
];

async function startEmbedded(): Promise<Running> {
  const server = await startApiServer();
  const controllers = await startControllers(server.adminKubeconfig);
  const admin = new Connection(server.adminKubeconfig);
  return {
    target: {
      kubeconfig: server.adminKubeconfig,
      admin,
      compact: () => server.compact(),
      serviceAccount: async (namespace, serviceAccount) =>
        new Connection(await server.kubeconfigFor({ namespace, serviceAccount })),
    },
    async stop() {
      controllers.stop();
      admin.close();
      await server.close();
    },
  };
}

async function startReal(assets: string): Promise<Running> {
  const plane = await startFromAssets(assets);
  // A bare API server deletes no namespaces and makes no service accounts: our controllers do.
  const controllers = await startControllers(plane.kubeconfig);
  const { target, stop } = openReal(plane.kubeconfig);
  return {
    target,
    async stop() {
      controllers.stop();
      await stop();
      await plane.stop();
    },
  };
}

function openReal(kubeconfig: string): Running {
  const admin = new Connection(kubeconfig);
  return {
    target: {
      kubeconfig,
      admin,
      async serviceAccount(namespace, name) {
        const client = new Client(admin);
        const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
        await client.post(path, { apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });
        const issued = await client.post(`${path}/${name}/token`, {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: {},
        });
        return new Connection(kubeconfig, stringAt(issued, "status", "token"));
      },
    },
    stop: async () => admin.close(),
  };
}

function against(name: string, start: () => Promise<Running>): void {
  describe(name, () => {
    let running: Running;
    beforeAll(async () => {
      running = await start();
    }, 90_000);
    afterAll(() => running.stop());
    const subject: Subject = () => running.target;
    for (const suite of suites) suite(subject);
  });
}

against("the embedded API server", startEmbedded);

const assets = process.env.KUBEBUILDER_ASSETS;
if (assets) against(`kube-apiserver of ${assets}`, () => startReal(assets));

const cluster = chosenCluster(process.env);
if (cluster) against(`the cluster of ${cluster}`, async () => openReal(readFileSync(cluster, "utf8")));
