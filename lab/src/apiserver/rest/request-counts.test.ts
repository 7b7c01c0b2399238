import { expect, it } from "vitest";
import { RequestCounts } from "./request-counts.ts";

it("requests are counted by resource and verb, as kube-apiserver prints them", () => {
  const counts = new RequestCounts();
  const pods = { group: "", version: "v1", plural: "pods", subresource: "status", verb: "patch" };
  counts.add(pods);
  counts.add(pods);
  counts.add({ ...pods, subresource: "", verb: "list" });
  expect(String(counts)).toMatchInlineSnapshot(`
    "# TYPE apiserver_request_total counter
    apiserver_request_total{group="",resource="pods",subresource="",verb="LIST",version="v1"} 1
    apiserver_request_total{group="",resource="pods",subresource="status",verb="PATCH",version="v1"} 2
    "
  `);
});
