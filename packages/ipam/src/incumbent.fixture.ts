import { parseJson } from "@fairlead/api";
import type {
  BlockAffinity,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  IPPool,
  IPReservation,
} from "./resources.ts";

/**
 * A cluster as the incumbent leaves it, in its JSON: nulls for what is absent, nanosecond times and sequence numbers beyond 2^53, an
 * attribute entry that two tunnel addresses share, a VM that is switched off, a handle with capitals, and no pod UIDs anywhere.
 */
export interface IncumbentObjects {
  readonly IPPool: readonly IPPool[];
  readonly IPAMBlock: readonly IPAMBlock[];
  readonly BlockAffinity: readonly BlockAffinity[];
  readonly IPAMHandle: readonly IPAMHandle[];
  readonly IPAMConfiguration: readonly IPAMConfiguration[];
  readonly IPReservation: readonly IPReservation[];
}

const nothing = (from: number, size: number) =>
  Array.from({ length: size - from }, (_, i) => from + i).join();

const json = `{
  "IPPool": [{
    "metadata": { "name": "default-ipv4-ippool" },
    "spec": {
      "cidr": "192.168.0.0/16", "blockSize": 26, "ipipMode": "Never", "vxlanMode": "CrossSubnet", "natOutgoing": true,
      "nodeSelector": "all()", "allowedUses": ["Workload", "Tunnel"], "disabled": false, "assignmentMode": "Automatic"
    }
  }],
  "IPAMBlock": [{
    "metadata": {
      "name": "192-168-185-0-26",
      "annotations": { "projectcalico.org/metadata": "{\\"creationTimestamp\\":null}" }
    },
    "spec": {
      "affinity": "host:worker-1",
      "affinityClaimTime": "2025-07-23T12:04:44Z",
      "cidr": "192.168.185.0/26",
      "allocations": [0, 0, 1, 2, 3${",null".repeat(59)}],
      "unallocated": [${nothing(5, 64)}],
      "attributes": [
        {
          "handle_id": "vxlan-tunnel-addr-worker-1",
          "secondary": { "node": "worker-1", "type": "vxlanTunnelAddress" },
          "alternateOwnerAttrs": null
        },
        {
          "handle_id": "k8s-pod-network.6bf5918459e920bb",
          "secondary": {
            "namespace": "default", "node": "worker-1", "pod": "web-7cf7d6dbc8-h9vpk",
            "timestamp": "2025-09-26 17:11:53.923041651 +0000 UTC"
          },
          "alternateOwnerAttrs": null
        },
        { "handle_id": "k8s-pod-network.vmi.default.database", "secondary": null, "alternateOwnerAttrs": null },
        {
          "handle_id": "k8s-pod-network.vmi.default.cache",
          "secondary": {
            "namespace": "default", "node": "worker-1", "pod": "virt-launcher-cache-abcde",
            "timestamp": "2025-09-26 17:12:00.1 +0000 UTC",
            "vmi-name": "cache", "vmi-uid": "i-cache", "vm-uid": "v-cache"
          },
          "alternateOwnerAttrs": {
            "namespace": "default", "node": "worker-2", "pod": "virt-launcher-cache-fghij",
            "timestamp": "2025-09-26 17:13:00.2 +0000 UTC",
            "vmi-name": "cache", "vmi-uid": "i-cache", "vm-uid": "v-cache", "vmim-uid": "m-cache"
          }
        }
      ],
      "sequenceNumber": 1753272284123456789,
      "sequenceNumberForAllocation": {
        "0": 1753272284123456780, "1": 1753272284123456780, "2": 1753272284123456782,
        "3": 1753272284123456784, "4": 1753272284123456786
      },
      "deleted": false,
      "strictAffinity": false
    }
  }],
  "BlockAffinity": [{
    "metadata": { "name": "worker-1-192-168-185-0-26" },
    "spec": { "state": "confirmed", "node": "worker-1", "type": "", "cidr": "192.168.185.0/26", "deleted": false }
  }],
  "IPAMHandle": [
    {
      "metadata": { "name": "vxlan-tunnel-addr-worker-1" },
      "spec": { "handleID": "vxlan-tunnel-addr-worker-1", "block": { "192.168.185.0/26": 2 }, "deleted": false }
    },
    {
      "metadata": { "name": "k8s-pod-network.6bf5918459e920bb" },
      "spec": { "handleID": "k8s-pod-network.6bf5918459e920bb", "block": { "192.168.185.0/26": 1 }, "deleted": false }
    },
    {
      "metadata": { "name": "k8s-pod-network.vmi.default.database" },
      "spec": { "handleID": "k8s-pod-network.vmi.default.database", "block": { "192.168.185.0/26": 1 }, "deleted": false }
    },
    {
      "metadata": { "name": "k8s-pod-network.vmi.default.cache" },
      "spec": { "handleID": "k8s-pod-network.vmi.default.cache", "block": { "192.168.185.0/26": 1 }, "deleted": false }
    }
  ],
  "IPAMConfiguration": [{
    "metadata": { "name": "default" },
    "spec": { "strictAffinity": false, "autoAllocateBlocks": true, "maxBlocksPerHost": 0 }
  }],
  "IPReservation": [{
    "metadata": { "name": "routers" },
    "spec": { "reservedCIDRs": ["192.168.185.5", "192.168.185.6/31"] }
  }]
}`;

export const incumbentObjects = (): IncumbentObjects => parseJson(json) as IncumbentObjects;

/** What the incumbent's `ipam check -o` writes of such a cluster: sequence numbers as JSON numbers, `owners` null for nobody. */
export const incumbentReport = `{
  "version": "v3.32.1",
  "clusterGUID": "g",
  "datastoreLocked": true,
  "clusterInformationRevision": "7",
  "clusterType": "k8s,bgp,kubeadm,kdd",
  "allocations": {
    "192.168.185.0": [{
      "ip": "192.168.185.0", "handle": "vxlan-tunnel-addr-worker-1", "sequenceNumber": 1753272284123456780,
      "node": "worker-1", "type": "vxlanTunnelAddress", "inUse": true, "owners": ["Node(worker-1)"]
    }],
    "192.168.185.2": [{
      "ip": "192.168.185.2", "handle": "k8s-pod-network.6bf5918459e920bb", "sequenceNumber": 1753272284123456782,
      "pod": "web-7cf7d6dbc8-h9vpk", "namespace": "default", "node": "worker-1",
      "creationTimestamp": "2025-09-26 17:11:53.923041651 +0000 UTC", "inUse": false, "owners": null
    }],
    "192.168.185.3": [{
      "ip": "192.168.185.3", "handle": "k8s-pod-network.vmi.default.database", "sequenceNumber": 1753272284123456783,
      "node": "worker-1", "inUse": false, "owners": null
    }]
  }
}`;
