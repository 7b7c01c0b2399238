import { expect, it } from "vitest";
import { type Rights, requireRights } from "./rights.ts";

const user: Rights = { isRoot: false, unshareUser: () => undefined, openTun: () => undefined };
const refused = () => "Operation not permitted";
const untried = (): never => {
  throw new Error("tried although root may");
};

it("root is asked nothing, and a user who may do everything neither", () => {
  requireRights({ isRoot: true, unshareUser: untried, openTun: untried });
  requireRights(user);
});

it("each right that is missing is named, with what root can do about it", () => {
  expect(() => requireRights({ ...user, unshareUser: refused })).toThrow(
    /user namespaces are not permitted \(Operation not permitted\): sysctl -w kernel.unprivileged_userns_clone=1/,
  );
  expect(() => requireRights({ ...user, openTun: refused })).toThrow(
    /have root do this: \/dev\/net\/tun.*chmod 0666/,
  );
});

it("all of them at once", () => {
  const act = () => requireRights({ ...user, unshareUser: refused, openTun: refused });
  expect(act).toThrow(expect.objectContaining({ code: "MissingPrivilege" }));
  expect(act).toThrow(/user namespaces.*; \/dev\/net\/tun/);
});
