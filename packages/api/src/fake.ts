export { FakeApiClient } from "./fake/fake-client.ts";
export { FakeCluster, type FakeClusterOptions } from "./fake/fake-cluster.ts";
export {
  type Call,
  type CallFilter,
  Crash,
  combine,
  crashAt,
  type Fault,
  type Faults,
  failNth,
  isWrite,
  onNth,
  type Verb,
} from "./fake/faults.ts";
