/*
 * fairlead-cni: carries one CNI call to the agent of this node and brings its answer back.
 *
 * The runtime starts this program for every ADD, DEL, CHECK, GC and STATUS, so it must start fast: it decides nothing,
 * parses nothing and links nothing but libc. The names it is installed under (calico, calico-ipam, fairlead-cni) travel
 * along as CNI_PLUGIN. VERSION is answered here; everything else by the agent, or with CNI error 11 ("try again later",
 * STATUS: 50 "not available") when the agent does not answer in time.
 *
 * Request:  "FLC1" | u32 environment bytes | u32 configuration bytes | u64 CLOCK_MONOTONIC ns at our start |
 *           environment as NUL-terminated NAME=VALUE | configuration as read from stdin
 * Answer:   "FLC1" | u32 exit code | u32 bytes | bytes for stdout                    (integers in network byte order)
 *
 * Environment: FAIRLEAD_CNI_SOCKET (/run/fairlead/cni.sock), FAIRLEAD_CNI_CONNECT_MS (3000), FAIRLEAD_CNI_ANSWER_MS (100000).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define VERSIONS "\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\""
enum { CONFIG_LIMIT = 1 << 20, ENVIRONMENT_LIMIT = 1 << 16, ANSWER_LIMIT = 1 << 22 };

extern char **environ;
static char config[CONFIG_LIMIT + 1], environment[ENVIRONMENT_LIMIT], version[16] = "1.1.0";

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ms(int ms) { poll(NULL, 0, ms); }

static int milliseconds(const char *name, int otherwise) {
  const char *text = getenv(name);
  int value = text ? atoi(text) : 0;
  return value > 0 ? value : otherwise;
}

/* Prints a CNI error object and ends. `why` is one of our own sentences or strerror: nothing in it needs escaping. */
static void fail(int code, const char *message, const char *why) {
  printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n", version, code, message, why);
  fflush(stdout);
  exit(1);
}

/* Takes the configuration's cniVersion over into our own answers; anything but digits and dots is left alone. */
static void find_version(void) {
  const char *at = strstr(config, "\"cniVersion\"");
  if (!at) return;
  at += strlen("\"cniVersion\"");
  at += strspn(at, " \t\r\n");
  if (*at++ != ':') return;
  at += strspn(at, " \t\r\n");
  if (*at++ != '"') return;
  size_t length = strspn(at, "0123456789.");
  if (length == 0 || length >= sizeof version || at[length] != '"') return;
  memcpy(version, at, length);
  version[length] = 0;
}

static size_t read_config(void) {
  size_t have = 0;
  for (;;) {
    ssize_t n = read(0, config + have, sizeof config - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(5, "cannot read the network configuration from stdin", strerror(errno));
    if (n == 0) return have;
    have += (size_t)n;
    if (have > CONFIG_LIMIT) fail(6, "the network configuration is too long", "the limit is 1 MiB");
  }
}

static size_t append(size_t have, const char *name, const char *value) {
  size_t need = strlen(name) + 1 + strlen(value) + 1;
  if (have + need > sizeof environment) fail(4, "the CNI environment is too long", "the limit is 64 KiB");
  return have + (size_t)sprintf(environment + have, "%s=%s", name, value) + 1;
}

static size_t collect_environment(const char *called_as) {
  const char *slash = strrchr(called_as, '/');
  size_t have = append(0, "CNI_PLUGIN", slash ? slash + 1 : called_as);
  for (char **entry = environ; *entry; entry++) {
    const char *equals = strchr(*entry, '=');
    if (!equals || strncmp(*entry, "CNI_", 4) != 0 || strncmp(*entry, "CNI_PLUGIN=", 11) == 0) continue;
    char name[64];
    size_t length = (size_t)(equals - *entry);
    if (length >= sizeof name) continue;
    memcpy(name, *entry, length);
    name[length] = 0;
    have = append(have, name, equals + 1);
  }
  return have;
}

/* An agent that is being restarted is back within a second, so a refused connection is tried again until the deadline. */
static int connect_agent(const char *path, uint64_t deadline, int unavailable) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail(4, "FAIRLEAD_CNI_SOCKET is too long", "a socket path has at most 107 bytes");
  strcpy(address.sun_path, path);
  for (;;) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail(5, "cannot open a socket", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int error = errno;
    close(fd);
    int retry = error == ECONNREFUSED || error == ENOENT || error == EAGAIN || error == EINTR;
    if (!retry || now_ns() >= deadline) fail(unavailable, "the fairlead agent of this node is not reachable", strerror(error));
    pause_ms(20);
  }
}

static void read_exactly(int fd, char *into, size_t length, uint64_t deadline, int unavailable) {
  while (length > 0) {
    int64_t left = (int64_t)(deadline - now_ns()) / 1000000;
    if (left <= 0) fail(unavailable, "the fairlead agent did not answer in time", "look at its log and at its health address");
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, (int)left + 1) <= 0) continue;
    ssize_t n = read(fd, into, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(unavailable, "the fairlead agent ended before it answered", n < 0 ? strerror(errno) : "connection closed");
    into += n;
    length -= (size_t)n;
  }
}

int main(int argc, char **argv) {
  uint64_t start = now_ns();
  const char *command = getenv("CNI_COMMAND");
  if (!command) fail(4, "CNI_COMMAND is not set", "this program is started by a container runtime");
  size_t config_length = read_config();
  find_version();
  if (strcmp(command, "VERSION") == 0) {
    printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[" VERSIONS "]}\n", version);
    return 0;
  }
  int unavailable = strcmp(command, "STATUS") == 0 ? 50 : 11;
  size_t environment_length = collect_environment(argc > 0 ? argv[0] : "fairlead-cni");
  const char *path = getenv("FAIRLEAD_CNI_SOCKET");
  int fd = connect_agent(path ? path : "/run/fairlead/cni.sock",
                         start + 1000000ull * (uint64_t)milliseconds("FAIRLEAD_CNI_CONNECT_MS", 3000), unavailable);
  uint64_t deadline = now_ns() + 1000000ull * (uint64_t)milliseconds("FAIRLEAD_CNI_ANSWER_MS", 100000);

  char header[20];
  uint32_t lengths[2] = {htonl((uint32_t)environment_length), htonl((uint32_t)config_length)};
  uint64_t began = htobe64(start);
  memcpy(header, "FLC1", 4);
  memcpy(header + 4, lengths, 8);
  memcpy(header + 12, &began, 8);
  const struct { const char *data; size_t length; } parts[3] = {
      {header, sizeof header}, {environment, environment_length}, {config, config_length}};
  for (int i = 0; i < 3; i++)
    for (size_t sent = 0; sent < parts[i].length;) {
      ssize_t n = send(fd, parts[i].data + sent, parts[i].length - sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(unavailable, "the fairlead agent does not listen", strerror(errno));
      sent += (size_t)n;
    }

  char answer[12];
  uint32_t numbers[2];
  read_exactly(fd, answer, sizeof answer, deadline, unavailable);
  memcpy(numbers, answer + 4, 8);
  size_t length = ntohl(numbers[1]);
  if (memcmp(answer, "FLC1", 4) != 0 || length > ANSWER_LIMIT)
    fail(unavailable, "the answer is not the fairlead agent's", "messenger and agent are of different releases");
  char *body = malloc(length + 1);
  if (!body) fail(5, "out of memory", "cannot hold the answer");
  read_exactly(fd, body, length, deadline, unavailable);
  for (size_t written = 0; written < length;) {
    ssize_t n = write(1, body + written, length - written);
    if (n < 0 && errno != EINTR) return 1;
    if (n > 0) written += (size_t)n;
  }
  return (int)ntohl(numbers[0]);
}
