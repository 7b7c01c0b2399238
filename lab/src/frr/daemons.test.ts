import { expect, test } from "vitest";
import { parseDaemons } from "./daemons.ts";

test("zebra and staticd run always, zebra first; others when they are switched on", () => {
  const names = parseDaemons("# bfdd=yes\nbgpd=yes\nospfd=no\nzebra=no\nvtysh_enable=yes\n").map(
    ({ name }) => name,
  );
  expect(names).toEqual(["zebra", "staticd", "bgpd"]);
});

test("a daemon's options follow those of all", () => {
  const text = `frr_profile="datacenter"\nfrr_global_options='--limit-fds 1000'\nbgpd=yes\nbgpd_options="   -A 127.0.0.1"\n`;
  expect(parseDaemons(text).find(({ name }) => name === "bgpd")?.options).toEqual([
    ...["-F", "datacenter", "--limit-fds", "1000"],
    ...["-A", "127.0.0.1"],
  ]);
});
