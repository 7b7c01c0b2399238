/*
 * fairlead-cni: carries one CNI call to the agent of this node and brings its answer back.
 *
 * The runtime starts this program for every ADD, DEL, CHECK, GC and STATUS, so it must start fast: it decides nothing,
 * parses nothing and links nothing but libc. The names it is installed under (calico, calico-ipam, fairlead-cni) travel
 * along as CNI_PLUGIN. VERSION is answered here; everything else by the agent, or with CNI error 11 ("try again later")
 * when the agent does not answer in time. No step waits without a deadline.
 *
 * STATUS decides whether Kubernetes calls the node ready, and a node that is not loses its pods after five minutes. An
 * agent that is away (crash, upgrade, stopped) is no reason: what it put into the kernel works without it. So without an
 * answer STATUS succeeds when the agent has been ready since the machine started, which the file `been-ready` beside the
 * socket says: it holds the boot ID of that time. Otherwise the answer is 50 ("not available").
 *
 * Request:  "FLC1" | u32 environment bytes | u32 configuration bytes | u64 CLOCK_MONOTONIC ns at our start |
 *           environment as NUL-terminated NAME=VALUE | configuration as read from stdin
 * Answer:   "FLC1" | u32 exit code | u32 bytes | bytes for stdout                    (integers in network byte order)
 *
 * Environment, milliseconds: FAIRLEAD_CNI_CONNECT_MS (3000), FAIRLEAD_CNI_ANSWER_MS (100000),
 * FAIRLEAD_CNI_STATUS_MS (1000: how long a STATUS waits that can be answered without the agent). And
 * FAIRLEAD_CNI_SOCKET (/run/fairlead/cni.sock), FAIRLEAD_BOOT_ID (/proc/sys/kernel/random/boot_id: where to read it).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
enum { CONFIG_LIMIT = 1 << 20, ENVIRONMENT_LIMIT = 1 << 16, ANSWER_LIMIT = 1 << 22, STDIO_MS = 10000 };

extern char **environ;
static char config[CONFIG_LIMIT + 1], environment[ENVIRONMENT_LIMIT], version[16] = "1.1.0";
/* Set for a STATUS that may be answered without the agent. */
static int has_been_ready;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ms(int ms) { poll(NULL, 0, ms); }

static uint64_t deadline_in(int ms) { return now_ns() + 1000000ull * (uint64_t)ms; }

/* Waits until `fd` can be read or written (POLLIN, POLLOUT), or reports an error of its own. 0: the deadline is over. */
static int wait_for(int fd, short what, uint64_t deadline) {
  for (;;) {
    int64_t left = (int64_t)(deadline - now_ns()) / 1000000;
    if (left <= 0) return 0;
    struct pollfd one = {.fd = fd, .events = what};
    if (poll(&one, 1, (int)left + 1) > 0) return 1;
  }
}

static int milliseconds(const char *name, int otherwise) {
  const char *text = getenv(name);
  int value = text ? atoi(text) : 0;
  return value > 0 ? value : otherwise;
}

/* Names of the codes that are printed here, as in src/error.ts. */
static const char *name_of(int code) {
  switch (code) {
    case 4: return "InvalidEnvironment";
    case 5: return "IoFailure";
    case 6: return "DecodeFailure";
    case 50: return "NotAvailable";
    default: return "TryAgainLater";
  }
}

/*
 * Prints a CNI error object and ends. A runtime shows `msg` and `details` and no number, so `msg` begins with it. `why` is
 * one of our own sentences or strerror: nothing in it needs escaping.
 */
static void fail(int code, const char *message, const char *why) {
  printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s (%d): %s\",\"details\":\"%s\"}\n", version, code, name_of(code), code,
         message, why);
  fflush(stdout);
  exit(1);
}

/* The agent does not answer. Ends the program: well for a STATUS of a node that works without it, else with `code`. */
static void fail_without_agent(int code, const char *message, const char *why) {
  if (!has_been_ready) fail(code, message, why);
  fprintf(stderr, "fairlead-cni: STATUS: %s (%s); the node is ready all the same, since what the agent put into the kernel "
                  "goes on. New pods wait for the agent.\n", message, why);
  exit(0);
}

static size_t read_small(const char *path, char *into, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return 0;
  ssize_t n = read(fd, into, room);
  close(fd);
  return n > 0 ? (size_t)n : 0;
}

/* Whether the agent that owns `socket` has been ready since this machine started. */
static int find_been_ready(const char *socket) {
  char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 16], noted[64], boot[64];
  const char *slash = strrchr(socket, '/');
  const char *source = getenv("FAIRLEAD_BOOT_ID");
  size_t directory = slash ? (size_t)(slash - socket) + 1 : 0;
  if (directory + sizeof "been-ready" > sizeof path) return 0;
  memcpy(path, socket, directory);
  strcpy(path + directory, "been-ready");
  size_t length = read_small(path, noted, sizeof noted);
  return length > 0 && length == read_small(source ? source : "/proc/sys/kernel/random/boot_id", boot, sizeof boot) &&
         memcmp(noted, boot, length) == 0;
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
  uint64_t deadline = deadline_in(STDIO_MS);
  for (;;) {
    if (!wait_for(0, POLLIN, deadline)) fail(5, "the network configuration does not end", "stdin was not closed in time");
    ssize_t n = read(0, config + have, sizeof config - have);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
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

/*
 * An agent that is being restarted is back within a second, so a refused connection is tried again until the deadline.
 * So is EAGAIN: the queue of a stopped agent's socket is full, and a blocking connect would wait for ever.
 */
static int connect_agent(const char *path, uint64_t deadline, int unavailable) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail(4, "FAIRLEAD_CNI_SOCKET is too long", "a socket path has at most 107 bytes");
  strcpy(address.sun_path, path);
  for (;;) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) fail(5, "cannot open a socket", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int error = errno;
    close(fd);
    int retry = error == ECONNREFUSED || error == ENOENT || error == EAGAIN || error == EINTR;
    if (!retry || now_ns() >= deadline) fail_without_agent(unavailable, "the fairlead agent of this node is not reachable", strerror(error));
    pause_ms(20);
  }
}

static void send_all(int fd, const char *from, size_t length, uint64_t deadline, int unavailable) {
  while (length > 0) {
    if (!wait_for(fd, POLLOUT, deadline))
      fail_without_agent(unavailable, "the fairlead agent does not read", "look at its log and at its health address");
    ssize_t n = send(fd, from, length, MSG_NOSIGNAL);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_without_agent(unavailable, "the fairlead agent does not listen", strerror(errno));
    from += n;
    length -= (size_t)n;
  }
}

static void read_exactly(int fd, char *into, size_t length, uint64_t deadline, int unavailable) {
  while (length > 0) {
    if (!wait_for(fd, POLLIN, deadline))
      fail_without_agent(unavailable, "the fairlead agent did not answer in time", "look at its log and at its health address");
    ssize_t n = read(fd, into, length);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0)
      fail_without_agent(unavailable, "the fairlead agent ended before it answered",
                         n < 0 ? strerror(errno) : "connection closed");
    into += n;
    length -= (size_t)n;
  }
}

/* In pieces that a pipe takes whole once it takes anything, so that no write waits. */
static void write_answer(const char *from, size_t length) {
  uint64_t deadline = deadline_in(STDIO_MS);
  while (length > 0) {
    if (!wait_for(1, POLLOUT, deadline)) exit(1);
    ssize_t n = write(1, from, length < PIPE_BUF ? length : PIPE_BUF);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) exit(1);
    from += n;
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
  size_t environment_length = collect_environment(argc > 0 ? argv[0] : "fairlead-cni");
  const char *given = getenv("FAIRLEAD_CNI_SOCKET");
  const char *path = given ? given : "/run/fairlead/cni.sock";
  int is_status = strcmp(command, "STATUS") == 0;
  int unavailable = is_status ? 50 : 11;
  int patience = milliseconds("FAIRLEAD_CNI_CONNECT_MS", 3000);
  has_been_ready = is_status && find_been_ready(path);
  if (has_been_ready) patience = milliseconds("FAIRLEAD_CNI_STATUS_MS", 1000);
  uint64_t connected = start + 1000000ull * (uint64_t)patience;
  int fd = connect_agent(path, connected, unavailable);
  /* Nobody is served by a STATUS that is late: the runtime asks again. */
  uint64_t deadline = is_status ? connected : deadline_in(milliseconds("FAIRLEAD_CNI_ANSWER_MS", 100000));

  char header[20];
  uint32_t lengths[2] = {htonl((uint32_t)environment_length), htonl((uint32_t)config_length)};
  uint64_t began = htobe64(start);
  memcpy(header, "FLC1", 4);
  memcpy(header + 4, lengths, 8);
  memcpy(header + 12, &began, 8);
  const struct { const char *data; size_t length; } parts[3] = {
      {header, sizeof header}, {environment, environment_length}, {config, config_length}};
  for (int i = 0; i < 3; i++) send_all(fd, parts[i].data, parts[i].length, deadline, unavailable);

  char answer[12];
  uint32_t numbers[2];
  read_exactly(fd, answer, sizeof answer, deadline, unavailable);
  memcpy(numbers, answer + 4, 8);
  size_t length = ntohl(numbers[1]);
  if (memcmp(answer, "FLC1", 4) != 0 || length > ANSWER_LIMIT)
    fail_without_agent(unavailable, "the answer is not the fairlead agent's", "messenger and agent are of different releases");
  char *body = malloc(length + 1);
  if (!body) fail(5, "out of memory", "cannot hold the answer");
  read_exactly(fd, body, length, deadline, unavailable);
  write_answer(body, length);
  return (int)ntohl(numbers[0]);
}
