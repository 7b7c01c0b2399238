#!/bin/sh
# The guest's first process: drivers, addresses, services, a shell on the serial console.
busybox mkdir -p /proc /sys /dev /bin /sbin /tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
dmesg -n 1
while read -r module parameters; do insmod "/lib/modules/$module.ko" $parameters; done </etc/modules

# The shortest code for what the path of a packet needs anyway; see kernel-command-line.ts.
sysctl -qw net.core.default_qdisc=pfifo_fast net.ipv4.tcp_congestion_control=reno
sysctl -qw net.ipv4.ip_local_port_range="32768 60999"
ip link set lo up
ip link set eth0 up

# IPv4 by DHCP, as KubeVirt's bridge binding offers it. It goes on asking until somebody answers.
udhcpc -i eth0 -f -t 5 -T 1 -A 1 -S -s /etc/dhcp.sh -O staticroutes -O mtu >/tmp/dhcp.log 2>&1 &

# IPv6 from what cloud-init would read as its network data: lines of "address A/128" and "gateway G".
data=/sys/firmware/qemu_fw_cfg/by_name/opt/org.fairlead.network/raw
[ -e $data ] && while read -r key value; do
  case $key in
    address) ip -6 address add "$value" dev eth0 ;;
    gateway) ip -6 route replace default via "$value" dev eth0 onlink ;;
  esac
done <$data

acpid -d >/tmp/acpid.log 2>&1 &
/bin/services >/tmp/services.log 2>&1 &
echo "fairlead-guest ready" >/dev/ttyS0

connect() { wget -qO- "http://127.0.0.1/connect?host=$1&port=$2"; }
while :; do setsid cttyhack /bin/sh -c 'export PS1="guest# "; exec /bin/sh' </dev/ttyS0 >/dev/ttyS0 2>&1; done
