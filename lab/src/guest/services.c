/*
 * What the guest serves, over IPv4 and IPv6, from one epoll loop:
 *
 *   UDP 7   every datagram comes back to its sender; where possible the driver answers, see datagram-echo.h
 *   TCP 7   every byte comes back
 *   TCP 9   one line each 10 ms: a 10-digit sequence number, a 20-digit CLOCK_MONOTONIC in nanoseconds
 *   TCP 80  GET /status                      addresses, uptime, boot id, counters, outward connections, as JSON
 *           GET /connect?host=H&port=P       opens a connection outward and writes the lines of TCP 9 into it
 *
 * One process without forks, because a thousand datagrams a second must also pass under software emulation.
 */
#define _GNU_SOURCE
#include "datagram-echo.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 32, TICK_MS = 10, BUFFER = 16384, CONNECTIONS = 256, BATCH = 64, DATAGRAM = 2048 };
enum role { FREE, UDP_ECHO, ECHO_LISTENER, STREAM_LISTENER, HTTP_LISTENER, ADDRESSES, TICK, ECHO, STREAM, OUTWARD, HTTP };

struct endpoint {
  enum role role;
  int fd;
  bool ended;             /* close once the buffer is written */
  uint32_t interest;      /* what epoll watches it for */
  int error;              /* errno of an outward connection that failed */
  size_t start, end;      /* unsent bytes of the buffer */
  uint32_t sequence;      /* lines written */
  char peer[80];          /* of an outward connection, kept after it ended */
  char buffer[BUFFER];
};

static struct endpoint endpoints[CONNECTIONS];
static unsigned long datagrams, accepted;
static int poller, ticker;
static bool ticking;

static uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct endpoint *add(enum role role, int fd, uint32_t events) {
  for (struct endpoint *e = endpoints; e < endpoints + CONNECTIONS; e++) {
    if (e->role != FREE) continue;
    memset(e, 0, offsetof(struct endpoint, buffer));
    e->role = role;
    e->fd = fd;
    e->interest = events;
    struct epoll_event event = {.events = events, .data.ptr = e};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
    return e;
  }
  close(fd);
  return NULL;
}

/* Ticks only while somebody receives lines: a hundred wake-ups a second are a tenth of an emulated processor. */
static void set_ticking(bool ticks) {
  struct timespec period = {.tv_nsec = ticks ? TICK_MS * 1000000 : 0};
  if (ticks == ticking) return;
  if (timerfd_settime(ticker, 0, &(struct itimerspec){period, period}, NULL)) fail("timerfd_settime");
  ticking = ticks;
}

/* An ended outward connection keeps its slot, so that /status can still say how it ended. */
static void drop(struct endpoint *e, int error) {
  close(e->fd);
  e->fd = -1;
  if (e->role == OUTWARD) {
    e->ended = true;
    e->error = error;
  } else {
    e->role = FREE;
  }
}

static int listener(int type, int port) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
  int on = 1, off = 0, fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
  if (type == SOCK_STREAM && listen(fd, 64)) fail("listen");
  return fd;
}

static void write_out(struct endpoint *e) {
  while (e->start < e->end) {
    ssize_t n = send(e->fd, e->buffer + e->start, e->end - e->start, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) break;
    if (n < 0) return drop(e, errno);
    e->start += (size_t)n;
  }
  if (e->start == e->end) e->start = e->end = 0;
  if (e->ended && e->end == 0) return drop(e, 0);
  uint32_t interest = e->role == STREAM || e->role == OUTWARD || e->end == 0 ? EPOLLIN : 0;
  if (e->end) interest |= EPOLLOUT;
  if (interest == e->interest) return;
  e->interest = interest;
  struct epoll_event event = {.events = interest, .data.ptr = e};
  epoll_ctl(poller, EPOLL_CTL_MOD, e->fd, &event);
}

/* Writes a number with leading zeros. printf could do it, with ten times as much code to translate after a migration. */
static void write_digits(char *to, int digits, uint64_t number) {
  while (digits-- > 0) to[digits] = (char)('0' + number % 10), number /= 10;
}

/* A line that finds no room is written later under the same number: the peer sees a gap in time, never in numbers. */
static void write_lines(struct endpoint *e, uint64_t count) {
  while (count-- && e->end + LINE < BUFFER) {
    char *line = e->buffer + e->end;
    write_digits(line, 10, e->sequence++);
    line[10] = ' ';
    write_digits(line + 11, 20, monotonic_ns());
    line[31] = '\n';
    e->end += LINE;
  }
  write_out(e);
}

static void echo_datagrams(int fd) {
  static char data[BATCH][DATAGRAM];
  static struct sockaddr_in6 from[BATCH];
  static struct iovec pieces[BATCH];
  static struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) {
    pieces[i] = (struct iovec){data[i], DATAGRAM};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  int n = recvmmsg(fd, messages, BATCH, 0, NULL);
  for (int i = 0; i < n; i++) pieces[i].iov_len = messages[i].msg_len;
  if (n > 0 && sendmmsg(fd, messages, (unsigned)n, 0) > 0) datagrams += (unsigned long)n;
}

static void accept_all(int fd, enum role role) {
  for (;;) {
    int on = 1, peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer < 0) return;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    accepted++;
    if (add(role, peer, EPOLLIN) && role == STREAM) set_ticking(true);
  }
}

static void print(struct endpoint *e, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int n = vsnprintf(e->buffer + e->end, BUFFER - e->end, format, list);
  va_end(list);
  if (n > 0) e->end = e->end + (size_t)n < BUFFER ? e->end + (size_t)n : BUFFER - 1;
}

/* A netlink socket that becomes readable when an address comes or goes. */
static int address_watch(void) {
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof groups)) fail("netlink");
  return fd;
}

static void follow_addresses(int fd) {
  char ignored[4096];
  while (recv(fd, ignored, sizeof ignored, 0) > 0) continue;
  if (!echo_in_driver("eth0")) perror("UDP 7 is answered by the socket alone");
}

static void print_addresses(struct endpoint *e) {
  struct ifaddrs *all = NULL;
  const char *comma = "";
  getifaddrs(&all);
  for (struct ifaddrs *a = all; a; a = a->ifa_next) {
    char host[INET6_ADDRSTRLEN];
    int family = a->ifa_addr ? a->ifa_addr->sa_family : 0;
    if ((family != AF_INET && family != AF_INET6) || (a->ifa_flags & IFF_LOOPBACK)) continue;
    if (family == AF_INET) inet_ntop(family, &((struct sockaddr_in *)a->ifa_addr)->sin_addr, host, sizeof host);
    else inet_ntop(family, &((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr, host, sizeof host);
    print(e, "%s\"%s\"", comma, host);
    comma = ",";
  }
  freeifaddrs(all);
}

static void print_status(struct endpoint *e) {
  char boot[40] = "";
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    if (read(fd, boot, 36) < 0) boot[0] = 0;
    close(fd);
  }
  const char *comma = "";
  print(e, "{\"bootId\":\"%s\",\"uptimeNs\":%llu,\"addresses\":[", boot, (unsigned long long)monotonic_ns());
  print_addresses(e);
  print(e, "],\"datagrams\":%lu,\"accepted\":%lu,\"outward\":[", datagrams + echoed_in_driver(), accepted);
  for (struct endpoint *o = endpoints; o < endpoints + CONNECTIONS; o++) {
    if (o->role != OUTWARD) continue;
    print(e, "%s{\"peer\":\"%s\",\"lines\":%u,\"ended\":%s,\"error\":\"%s\"}", comma, o->peer, o->sequence,
          o->ended ? "true" : "false", o->error ? strerror(o->error) : "");
    comma = ",";
  }
  print(e, "]}\n");
}

/* Returns NULL, or what is wrong with the request. Addresses only: the guest has no resolver. */
static const char *connect_outward(const char *host, const char *port) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
  char mapped[80];
  snprintf(mapped, sizeof mapped, strchr(host, ':') ? "%s" : "::ffff:%s", host);
  if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1) return "host must be an address";
  int on = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bool started = fd >= 0 && (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
  const char *wrong = started ? NULL : strerror(errno);
  if (!started) {
    if (fd >= 0) close(fd);
    return wrong;
  }
  struct endpoint *e = add(OUTWARD, fd, EPOLLIN | EPOLLOUT);
  if (!e) return "too many connections";
  set_ticking(true);
  snprintf(e->peer, sizeof e->peer, "%s %s", host, port);
  return NULL;
}

static void answer(struct endpoint *e) {
  char host[64], port[8];
  const char *wrong = NULL, *status = "200 OK";
  e->buffer[e->end] = 0;
  bool outward = sscanf(e->buffer, "GET /connect?host=%63[0-9a-fA-F:.]&port=%7[0-9]", host, port) == 2;
  bool known = outward || !strncmp(e->buffer, "GET / ", 6) || !strncmp(e->buffer, "GET /status ", 12);
  if (outward) wrong = connect_outward(host, port);
  if (!known) wrong = "GET /status, or GET /connect?host=ADDRESS&port=NUMBER";
  if (wrong) status = known ? "502 Bad Gateway" : "404 Not Found";
  e->start = e->end = 0;
  print(e, "HTTP/1.0 %s\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", status);
  if (wrong) print(e, "{\"error\":\"%s\"}\n", wrong);
  else print_status(e);
  e->ended = true;
  write_out(e);
}

static void read_in(struct endpoint *e) {
  char ignored[4096];
  bool keeps = e->role == ECHO || e->role == HTTP;
  ssize_t n = keeps ? recv(e->fd, e->buffer + e->end, BUFFER - 1 - e->end, 0) : recv(e->fd, ignored, sizeof ignored, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return drop(e, n < 0 ? errno : 0);
  if (!keeps) return;
  e->end += (size_t)n;
  if (e->role == ECHO) write_out(e);
  else if (memmem(e->buffer, e->end, "\r\n\r\n", 4) || e->end == BUFFER - 1) answer(e);
}

static void tick(void) {
  uint64_t passed = 0;
  bool anybody = false;
  if (read(ticker, &passed, sizeof passed) != sizeof passed) return;
  for (struct endpoint *e = endpoints; e < endpoints + CONNECTIONS; e++) {
    if (e->fd < 0 || (e->role != STREAM && e->role != OUTWARD)) continue;
    write_lines(e, passed);
    anybody = true;
  }
  if (!anybody) set_ticking(false);
}

/*
 * Whoever measures from outside means the network, not what else the guest does with its only processor: after a
 * migration that is first of all its own announcements, some ten milliseconds of them under emulation.
 */
static void favour(const char *thread, int priority) {
  for (pid_t pid = 2; pid < 100; pid++) {
    char path[32], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    if (read(fd, name, sizeof name - 1) > 0 && !strncmp(name, thread, strlen(thread)))
      sched_setscheduler(pid, SCHED_FIFO, &(struct sched_param){.sched_priority = priority});
    close(fd);
  }
}

/* Frames come one at a time (napi_weight=1): there is nothing to merge, and looking for it costs each TCP segment a tenth of its way. */
static void stop_merging(const char *interface) {
  struct ethtool_value off = {.cmd = ETHTOOL_SGRO};
  struct ifreq request = {.ifr_data = (void *)&off};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (ioctl(fd, SIOCETHTOOL, &request)) perror("segments are merged before they are received");
  close(fd);
}

/* The network card interrupts the first processor (irqaffinity=0); where there is another, the services need not wait for it. */
static void move_aside(void) {
  cpu_set_t last;
  CPU_ZERO(&last);
  CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
  sched_setaffinity(0, sizeof last, &last);
}

int main(void) {
  move_aside();
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  favour("ksoftirqd/0", 2);
  stop_merging("eth0");
  poller = epoll_create1(EPOLL_CLOEXEC);
  ticker = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  add(TICK, ticker, EPOLLIN);
  add(UDP_ECHO, listener(SOCK_DGRAM, 7), EPOLLIN);
  add(ECHO_LISTENER, listener(SOCK_STREAM, 7), EPOLLIN);
  add(STREAM_LISTENER, listener(SOCK_STREAM, 9), EPOLLIN);
  add(HTTP_LISTENER, listener(SOCK_STREAM, 80), EPOLLIN);
  int watch = address_watch();
  add(ADDRESSES, watch, EPOLLIN);
  follow_addresses(watch);
  for (;;) {
    struct epoll_event events[64];
    int n = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < n; i++) {
      struct endpoint *e = events[i].data.ptr;
      switch (e->role) {
        case FREE: break;
        case TICK: tick(); break;
        case ADDRESSES: follow_addresses(e->fd); break;
        case UDP_ECHO: echo_datagrams(e->fd); break;
        case ECHO_LISTENER: accept_all(e->fd, ECHO); break;
        case STREAM_LISTENER: accept_all(e->fd, STREAM); break;
        case HTTP_LISTENER: accept_all(e->fd, HTTP); break;
        default:
          if (e->fd >= 0 && (events[i].events & EPOLLOUT)) write_out(e);
          if (e->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) read_in(e);
      }
    }
  }
}
