#!/bin/sh
# Runs BIRD so that neither its start nor its end takes routes away:  bird.sh CONFIGURATION CONTROL-SOCKET
#
# Needs bird, birdc and a shell, nothing else. Works as the first process of a container.
set -u
PATH=$PATH:/usr/sbin:/usr/local/sbin
configuration=$1 socket=$2
bird='' leaving=''

tell() { birdc -s "$socket" "$@" >/dev/null 2>&1; }

# SIGTERM alone makes BIRD say farewell to its neighbours (Cease), and they drop its routes at once. After `graceful restart`
# it closes its sessions without a word: neighbours keep the routes for the restart time, and the kernel keeps its own. A BIRD
# that does not obey is killed, which neighbours take the same way.
leave() {
  trap '' TERM INT
  leaving=yes
  [ "$bird" ] || exit 0
  { tell graceful restart || kill -KILL "$bird"; } 2>/dev/null &
  { sleep 3; kill -KILL "$bird"; } 2>/dev/null &
  patience=$!
}
trap leave TERM INT

# On a fresh node the agent has not written the configuration yet. An empty one would not do: BIRD would take routes that an
# earlier run left in the kernel for nobody's.
until [ -s "$configuration" ]; do
  sleep 0.1 &
  wait $!
done

until [ "$leaving" ]; do
  # -R: keep the routes of the last run until the neighbours are back.
  bird -f -R -c "$configuration" -s "$socket" &
  bird=$!

  # BIRD looks at the kernel's routes a second after its start. By then it may have told a neighbour that it has said everything
  # (End-of-RIB), and the neighbour drops the workloads it had kept. So it is made to look at once.
  {
    until tell reload in '"kernel*"'; do
      sleep 0.02
      kill -0 "$bird" 2>/dev/null || exit
    done
  } &

  wait "$bird"
  status=$?
  [ "$leaving" ] && break
  [ "$status" = 0 ] || exit "$status"
  # The agent has told it to restart: a new configuration in force at once would have ended its sessions with a Cease.
  bird=''
done
# A signal interrupts the first wait.
wait "$bird"
kill -KILL "$patience" 2>/dev/null
exit 0
