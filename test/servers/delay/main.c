/*
 * delay QUEUE MICROSECONDS: holds each packet of a netfilter queue for so long, then lets it pass, in the order of arrival.
 * Prints "ready" when the queue is its own; ends with a message and 1 when there can be no queue (no CAP_NET_ADMIN, no such
 * part of the kernel), and when its standard input ends. Refusals and resets are packets too: they come as late as data.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_HELD 16384

struct held {
  uint32_t id;
  int64_t due;
};

static struct held ring[MOST_HELD];
static unsigned first, held;
static int netlink;
static uint16_t queue;

static void fail(const char *what) {
  fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* Sends one message of the queue with one attribute. */
static void say(uint16_t type, uint16_t flags, uint16_t attribute, const void *value, uint16_t length) {
  struct {
    struct nlmsghdr header;
    struct nfgenmsg of;
    struct nlattr attribute;
    char value[32];
  } message = {0};
  message.header.nlmsg_len = NLMSG_LENGTH(sizeof message.of) + NLA_ALIGN(sizeof message.attribute + length);
  message.header.nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | type;
  message.header.nlmsg_flags = NLM_F_REQUEST | flags;
  message.of.version = NFNETLINK_V0;
  message.of.res_id = htons(queue);
  message.attribute.nla_len = sizeof message.attribute + length;
  message.attribute.nla_type = attribute;
  memcpy(message.value, value, length);
  if (send(netlink, &message, message.header.nlmsg_len, 0) < 0) fail("send");
}

/* Configures the queue and waits for the kernel's word. */
static void configure(uint16_t attribute, const void *value, uint16_t length) {
  char answer[4096];
  say(NFQNL_MSG_CONFIG, NLM_F_ACK, attribute, value, length);
  if (recv(netlink, answer, sizeof answer, 0) < 0) fail("recv");
  struct nlmsgerr *said = NLMSG_DATA((struct nlmsghdr *)answer);
  if (said->error != 0) {
    errno = -said->error;
    fail("queue");
  }
}

static void hold(uint32_t id, int64_t due) {
  if (held == MOST_HELD) {
    errno = ENOBUFS;
    fail("hold");
  }
  ring[(first + held++) % MOST_HELD] = (struct held){id, due};
}

static void receive(int64_t microseconds) {
  static char buffer[1 << 20];
  ssize_t left = recv(netlink, buffer, sizeof buffer, 0);
  if (left < 0 && errno == ENOBUFS) return;
  if (left < 0) fail("recv");
  for (struct nlmsghdr *message = (struct nlmsghdr *)buffer; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
    if ((message->nlmsg_type & 0xff) != NFQNL_MSG_PACKET) continue;
    char *attributes = (char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    for (char *at = attributes; at < (char *)message + message->nlmsg_len;) {
      struct nlattr *attribute = (struct nlattr *)at;
      if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
        struct nfqnl_msg_packet_hdr *packet = (void *)(attribute + 1);
        hold(ntohl(packet->packet_id), now() + microseconds * 1000);
      }
      at += NLA_ALIGN(attribute->nla_len);
    }
  }
}

/* Lets pass whatever was held long enough: one verdict covers every packet up to its id. */
static void release(void) {
  int64_t at = now();
  struct nfqnl_msg_verdict_hdr verdict = {htonl(NF_ACCEPT), 0};
  unsigned passed = 0;
  for (; held > 0 && ring[first].due <= at; held--, passed++, first = (first + 1) % MOST_HELD)
    verdict.id = htonl(ring[first].id);
  if (passed > 0) say(NFQNL_MSG_VERDICT_BATCH, 0, NFQA_VERDICT_HDR, &verdict, sizeof verdict);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: delay QUEUE MICROSECONDS\n");
    return 2;
  }
  queue = atoi(arguments[1]);
  int64_t microseconds = atoll(arguments[2]);
  netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  if (netlink < 0) fail("socket");
  int size = 8 << 20;
  setsockopt(netlink, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  struct nfqnl_msg_config_cmd bind = {NFQNL_CFG_CMD_BIND, 0, htons(AF_UNSPEC)};
  struct nfqnl_msg_config_params only_ids = {0, NFQNL_COPY_META};
  uint32_t longest = htonl(MOST_HELD);
  configure(NFQA_CFG_CMD, &bind, sizeof bind);
  configure(NFQA_CFG_PARAMS, &only_ids, 5);
  configure(NFQA_CFG_QUEUE_MAXLEN, &longest, sizeof longest);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct pollfd watched[2] = {{netlink, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    int64_t wait = held > 0 ? ring[first].due - now() : 1000000000;
    if (wait < 0) wait = 0;
    struct timespec most = {wait / 1000000000, wait % 1000000000};
    if (ppoll(watched, 2, &most, NULL) < 0 && errno != EINTR) fail("poll");
    if (watched[1].revents != 0) return 0;
    if (watched[0].revents != 0) receive(microseconds);
    release();
  }
}
