#!/bin/sh
# What udhcpc calls with its findings in the environment. Routes: option 121 before option 3, as RFC 3442 demands.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
[ -n "$mtu" ] && ip link set eth0 mtu "$mtu"
ip address replace "$ip/$mask" dev eth0

route() {
  case $2 in
    0.0.0.0) ip route replace "$1" dev eth0 scope link ;;
    *) ip route replace "$1" via "$2" dev eth0 onlink ;;
  esac
}
if [ -n "$staticroutes" ]; then
  set -- $staticroutes
  while [ $# -ge 2 ]; do route "$1" "$2"; shift 2; done
elif [ -n "$router" ]; then
  route 0.0.0.0/0 "${router%% *}"
fi
[ -n "$hostname" ] && hostname "$hostname"
exit 0
