#define _GNU_SOURCE
#include "datagram-echo.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where things lie in a frame: Ethernet, then IPv4 without options or IPv6 without extension headers, then UDP. */
enum { TO_MAC = 0, FROM_MAC = 6, ETHERTYPE = 12 };
enum { V4_VERSION = 14, V4_FRAGMENT = 20, V4_PROTOCOL = 23, V4_FROM = 26, V4_TO = 30, V4_PORTS = 34, V4_LENGTH = 42 };
enum { V6_PROTOCOL = 20, V6_FROM = 22, V6_TO = 38, V6_PORTS = 54, V6_LENGTH = 62 };
enum { ECHO_PORT = 7, INSTRUCTIONS = 128 };

struct addresses {
  uint8_t mac[6];
  bool has_v4;
  struct in_addr v4;
  bool has_v6;
  struct in6_addr v6;
};

static struct bpf_insn program[INSTRUCTIONS];
static int length;
static int misses[32], missing; /* jumps that still need to know where the next family's test begins */
static int counter = -1, attachment = -1;

static long bpf(int command, union bpf_attr *attributes) {
  return syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static void emit(uint8_t code, uint8_t target, uint8_t source, int16_t offset, int32_t immediate) {
  program[length++] = (struct bpf_insn){code, target, source, offset, immediate};
}

static void load(uint8_t target, uint8_t size, int offset) {
  emit(BPF_LDX | BPF_MEM | size, target, BPF_REG_2, (int16_t)offset, 0);
}

static void store(uint8_t size, int offset, uint8_t source) {
  emit(BPF_STX | BPF_MEM | size, BPF_REG_2, source, (int16_t)offset, 0);
}

/* What does not match goes to the next family's test. Values are in network byte order, as they lie in the frame. */
static void require_under(uint8_t size, int offset, int32_t mask, uint32_t value) {
  load(BPF_REG_4, size, offset);
  if (mask) emit(BPF_ALU | BPF_AND | BPF_K, BPF_REG_4, 0, 0, mask);
  misses[missing++] = length;
  emit(BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)value);
}

static void require(uint8_t size, int offset, uint32_t value) {
  require_under(size, offset, 0, value);
}

static void require_bytes(int offset, const void *bytes, int count) {
  uint32_t word;
  uint16_t half;
  for (; count >= 4; count -= 4, offset += 4, bytes = (const char *)bytes + 4)
    require(BPF_W, offset, (memcpy(&word, bytes, 4), word));
  if (count) require(BPF_H, offset, (memcpy(&half, bytes, 2), half));
}

static void swap(uint8_t size, int one, int other) {
  load(BPF_REG_4, size, one);
  load(BPF_REG_5, size, other);
  store(size, one, BPF_REG_5);
  store(size, other, BPF_REG_4);
}

static void begin(int frame_length, uint16_t ethertype, const uint8_t mac[6]) {
  emit(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_2, 0, 0);
  emit(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, frame_length);
  misses[missing++] = length;
  emit(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0);
  require(BPF_H, ETHERTYPE, htons(ethertype));
  require_bytes(TO_MAC, mac, 6);
}

/* Checksums of IPv4 and UDP are sums over what is swapped here, so they stay right. */
static void answer(int ports) {
  swap(BPF_W, TO_MAC, FROM_MAC);
  swap(BPF_H, TO_MAC + 4, FROM_MAC + 4);
  swap(BPF_H, ports, ports + 2);
  emit(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, counter);
  emit(0, 0, 0, 0, 0);
  emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, 1);
  emit(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_1, BPF_REG_4, 0, BPF_ADD);
  emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_TX);
  emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  while (missing > 0) {
    int jump = misses[--missing];
    program[jump].off = (int16_t)(length - jump - 1);
  }
}

static void write_program(const struct addresses *own) {
  length = missing = 0;
  emit(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data), 0);
  emit(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct xdp_md, data_end), 0);
  if (own->has_v4) {
    begin(V4_LENGTH, ETH_P_IP, own->mac);
    require(BPF_B, V4_VERSION, 0x45);
    require_under(BPF_H, V4_FRAGMENT, htons(0x3fff), 0);
    require(BPF_B, V4_PROTOCOL, IPPROTO_UDP);
    require(BPF_H, V4_PORTS + 2, htons(ECHO_PORT));
    require_bytes(V4_TO, &own->v4, sizeof own->v4);
    swap(BPF_W, V4_FROM, V4_TO);
    answer(V4_PORTS);
  }
  if (own->has_v6) {
    begin(V6_LENGTH, ETH_P_IPV6, own->mac);
    require(BPF_B, V6_PROTOCOL, IPPROTO_UDP);
    require(BPF_H, V6_PORTS + 2, htons(ECHO_PORT));
    require_bytes(V6_TO, &own->v6, sizeof own->v6);
    swap(BPF_DW, V6_FROM, V6_TO);
    swap(BPF_DW, V6_FROM + 8, V6_TO + 8);
    answer(V6_PORTS);
  }
  emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS);
  emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The addresses a neighbour may use; link-local ones are left to the socket. */
static struct addresses addresses_of(const char *interface) {
  struct addresses own = {0};
  struct ifaddrs *all = NULL;
  getifaddrs(&all);
  for (struct ifaddrs *a = all; a; a = a->ifa_next) {
    if (!a->ifa_addr || strcmp(a->ifa_name, interface)) continue;
    const struct sockaddr_in *v4 = (void *)a->ifa_addr;
    const struct sockaddr_in6 *v6 = (void *)a->ifa_addr;
    if (a->ifa_addr->sa_family == AF_PACKET) memcpy(own.mac, ((struct sockaddr_ll *)a->ifa_addr)->sll_addr, 6);
    if (a->ifa_addr->sa_family == AF_INET) own.has_v4 = true, own.v4 = v4->sin_addr;
    if (a->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
      own.has_v6 = true, own.v6 = v6->sin6_addr;
  }
  freeifaddrs(all);
  return own;
}

static int load_program(void) {
  union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_XDP,
                               .insns = (uintptr_t)program,
                               .insn_cnt = (uint32_t)length,
                               .license = (uintptr_t) "Apache-2.0"};
  strcpy(attributes.prog_name, "datagram_echo");
  return (int)bpf(BPF_PROG_LOAD, &attributes);
}

static int attach(const char *interface, int loaded, uint32_t mode) {
  union bpf_attr attributes = {.link_create = {.prog_fd = (uint32_t)loaded,
                                               .target_ifindex = if_nametoindex(interface),
                                               .attach_type = BPF_XDP,
                                               .flags = mode}};
  return (int)bpf(BPF_LINK_CREATE, &attributes);
}

bool echo_in_driver(const char *interface) {
  if (counter < 0) {
    union bpf_attr attributes = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    counter = (int)bpf(BPF_MAP_CREATE, &attributes);
    if (counter < 0) return false;
  }
  struct addresses own = addresses_of(interface);
  write_program(&own);
  int loaded = load_program();
  if (loaded < 0) return false;
  if (attachment < 0) {
    attachment = attach(interface, loaded, XDP_FLAGS_DRV_MODE);
    if (attachment < 0) attachment = attach(interface, loaded, XDP_FLAGS_SKB_MODE);
  } else {
    union bpf_attr attributes = {
        .link_update = {.link_fd = (uint32_t)attachment, .new_prog_fd = (uint32_t)loaded}};
    bpf(BPF_LINK_UPDATE, &attributes);
  }
  int error = errno;
  close(loaded);
  errno = error;
  return attachment >= 0;
}

unsigned long echoed_in_driver(void) {
  uint32_t key = 0;
  uint64_t count = 0;
  union bpf_attr attributes = {
      .map_fd = (uint32_t)counter, .key = (uintptr_t)&key, .value = (uintptr_t)&count};
  return counter >= 0 && bpf(BPF_MAP_LOOKUP_ELEM, &attributes) == 0 ? count : 0;
}
