/*
 * hold ADDRESS PORT COMMAND…: what systemd does for a socket unit and its service. Listens, and runs the command with the
 * listener as file descriptor 3, LISTEN_FDS=1 and LISTEN_PID; after a SIGTERM the command gets one and is run again when it has ended.
 * What connects meanwhile waits. Ends with its standard input, and ends the command with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static pid_t run(int listener, char **command, const sigset_t *blocked) {
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid > 0) return pid;
  sigprocmask(SIG_UNBLOCK, blocked, NULL);
  if (listener != 3 && dup2(listener, 3) < 0) fail("dup2");
  if (fcntl(3, F_SETFD, 0) < 0) fail("fcntl");
  char self[16];
  snprintf(self, sizeof self, "%d", getpid());
  setenv("LISTEN_PID", self, 1);
  setenv("LISTEN_FDS", "1", 1);
  execvp(command[0], command);
  fail(command[0]);
  return -1;
}

int main(int count, char **arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: hold ADDRESS PORT COMMAND…\n");
    return 2;
  }
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
  if (inet_pton(AF_INET, arguments[1], &at.sin_addr) != 1) fail(arguments[1]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) fail("listen");
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGTERM);
  sigaddset(&watched, SIGCHLD);
  sigprocmask(SIG_BLOCK, &watched, NULL);
  int signals = signalfd(-1, &watched, SFD_CLOEXEC);
  pid_t pid = run(listener, arguments + 3, &watched);
  for (;;) {
    struct pollfd events[2] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(events, 2, -1) < 0) fail("poll");
    if (events[1].revents != 0) {
      kill(pid, SIGKILL);
      return 0;
    }
    struct signalfd_siginfo received;
    if (read(signals, &received, sizeof received) != sizeof received) fail("signalfd");
    if (received.ssi_signo == SIGTERM) kill(pid, SIGTERM);
    if (received.ssi_signo == SIGCHLD && waitpid(pid, NULL, WNOHANG) == pid) {
      printf("ended %d\n", pid);
      fflush(stdout);
      pid = run(listener, arguments + 3, &watched);
    }
  }
}
