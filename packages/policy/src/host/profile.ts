import type { Profile, Selector } from "@fairlead/api";
import { fromRule } from "../model/calico.ts";
import { checkModel } from "../model/check.ts";
import { anyPeer, type PolicyModel } from "../model/policy.ts";

/** Profiles come after all tiers, so they are policies of a tier that no object can have. */
export const profileTier = "";

export const profileKey = (name: string): string => `Profile/${name}`;

/** The label by which a host endpoint is selected by a profile it names. No user's label has a space in its key. */
export const profileLabel = (name: string): string => `profile ${name}`;

/** Profiles that are there without an object and allow everything: a namespace's, and the one of automatic host endpoints. */
export function allowsEverything(profile: string): boolean {
  return profile === "projectcalico-default-allow" || profile.startsWith("kns.");
}

const selects = (name: string): Selector => ({ type: "has", key: profileLabel(name) });

/** @throws PolicyError `InvalidObject` */
export function fromProfile(name: string, spec: Profile["spec"]): PolicyModel {
  return checkModel({
    ...profile(name),
    ingress: (spec.ingress ?? []).map((rule) => fromRule(rule, undefined)),
    egress: (spec.egress ?? []).map((rule) => fromRule(rule, undefined)),
  });
}

export function allowingProfile(name: string): PolicyModel {
  const everything = [{ action: "Allow", source: anyPeer, destination: anyPeer } as const];
  return { ...profile(name), ingress: everything, egress: everything };
}

function profile(name: string) {
  return {
    key: profileKey(name),
    tier: profileTier,
    order: 0,
    subject: selects(name),
    directions: new Set(["ingress", "egress"] as const),
    staged: false as const,
    doNotTrack: false,
    preDNAT: false,
    applyOnForward: false,
  };
}
