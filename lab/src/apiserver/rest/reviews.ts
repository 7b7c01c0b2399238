import type { Tokens } from "../auth/tokens.ts";
import { defaultAudience } from "../auth/tokens.ts";
import { type JsonObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Attributes } from "../rbac/attributes.ts";
import type { Authorizer } from "../rbac/authorizer.ts";
import type { User } from "./api.ts";

/** Answers the review kinds: objects that are questions and are not stored. Undefined: not a review. */
export function answerReview(
  review: KubeObject,
  namespace: string,
  caller: User,
  authorizer: Authorizer,
  tokens: Tokens,
): JsonObject | undefined {
  switch (review.kind) {
    case "SelfSubjectAccessReview":
      return access(review, caller, authorizer);
    case "SubjectAccessReview":
      return access(review, userIn(review), authorizer);
    case "LocalSubjectAccessReview":
      return access(review, userIn(review), authorizer, namespace);
    case "SelfSubjectRulesReview":
      return { ...review, status: rulesOf(caller, stringAt(review, "spec", "namespace") ?? "", authorizer) };
    case "SelfSubjectReview":
      return { ...review, status: { userInfo: userInfo(caller) } };
    case "TokenReview": {
      const audiences = listAt(review, "spec", "audiences").map(String);
      const asked = audiences.length > 0 ? audiences : [defaultAudience];
      const user = tokens.authenticate(stringAt(review, "spec", "token") ?? "", asked);
      const status = user
        ? { authenticated: true, user: userInfo(user), audiences: asked }
        : { authenticated: false, error: "the token is not valid, has expired, or is not for this audience" };
      return { ...review, status };
    }
    default:
      return undefined;
  }
}

function userIn(review: KubeObject): User {
  return {
    name: stringAt(review, "spec", "user") ?? "",
    groups: listAt(review, "spec", "groups").map(String),
  };
}

const userInfo = (user: User): JsonObject => ({
  username: user.name,
  groups: [...user.groups],
  ...(user.uid ? { uid: user.uid } : {}),
  ...(user.extra ? { extra: user.extra } : {}),
});

function access(review: KubeObject, user: User, authorizer: Authorizer, namespace?: string): JsonObject {
  const about = objectAt(review, "spec", "resourceAttributes");
  const subresource = stringAt(about, "subresource");
  const attributes: Attributes = about
    ? {
        user,
        verb: stringAt(about, "verb") ?? "",
        resource: {
          group: stringAt(about, "group") ?? "",
          name: `${stringAt(about, "resource") ?? ""}${subresource ? `/${subresource}` : ""}`,
          namespace: namespace ?? stringAt(about, "namespace") ?? "",
          objectName: stringAt(about, "name") ?? "",
        },
      }
    : {
        user,
        verb: stringAt(review, "spec", "nonResourceAttributes", "verb") ?? "",
        path: stringAt(review, "spec", "nonResourceAttributes", "path") ?? "",
      };
  return { ...review, status: { allowed: authorizer.allows(attributes) } };
}

function rulesOf(user: User, namespace: string, authorizer: Authorizer): JsonObject {
  const everything: JsonObject[] = user.groups.includes("system:masters")
    ? [
        { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
        { verbs: ["*"], nonResourceURLs: ["*"] },
      ]
    : [];
  const rules = [...everything, ...authorizer.rulesFor(user, namespace)];
  return {
    resourceRules: rules.filter((rule) => rule.resources !== undefined),
    nonResourceRules: rules.filter((rule) => rule.nonResourceURLs !== undefined),
    incomplete: false,
  };
}
