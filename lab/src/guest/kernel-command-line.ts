/**
 * What a guest can do without that answers probes and nothing else. Under emulation every instruction costs, and after a
 * migration every stretch of the kernel that runs for the first time has to be translated first: these shorten the way
 * of a packet. Processors that are left out of load balancing (all but the first) spare the first its looks at them.
 */
const dispensable = [
  "mitigations=off",
  "lsm=capability",
  "hardened_usercopy=off",
  "init_on_alloc=0",
  "audit=0",
  "psi=0",
  "noautogroup",
  "cgroup_disable=memory",
  "tsc=reliable",
  "noirqdebug",
  "isolcpus=1-N",
];

/** The guest's kernel parameters: a console on the serial port, a new start after a panic, and the services' processor left alone by devices. */
export const kernelCommandLine = ["console=ttyS0", "quiet", "panic=-1", "irqaffinity=0", ...dispensable].join(
  " ",
);
