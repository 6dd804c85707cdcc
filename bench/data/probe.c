// A client and its server, for what iperf3 does not measure.  One thread each, no allocation while it measures.
//
//   probe serve PORT                            answers all of the below, until it is ended
//   probe rr   ADDRESS PORT FLOWS SECONDS       request and answer of 32 bytes, on FLOWS connections at once
//   probe crr  ADDRESS PORT FIRST SECONDS       a connection for each request, reset when it has its answer
//   probe udp  ADDRESS PORT 1 SECONDS           datagrams of 64 bytes, WINDOW of them on their way at most
//
// A client prints one object of JSON: count, seconds (what was counted in), and of rr p50, p99 and p999 in
// nanoseconds, of udp lost, of crr next.  The first WARM nanoseconds do not count.
//
// crr takes its source ports in turn, from FIRST to HIGHEST and then from LOWEST on; next is where another one goes
// on.  What tracks connections may remember a pair of ports for a while after its end, Open vSwitch 3.1 in user space
// for 30 s (CT_TM_TCP_CLOSED), and loses a SYN that comes in that time.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 32, DATAGRAM = 64, WINDOW = 256, EACH = 32, MOST = 64, BUCKETS = 200000, STEP = 100 };
enum { LOWEST = 1024, HIGHEST = 65535 };
static const int64_t SECOND = 1000000000, WARM = 300000000, LATE = 20000000;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void must(int good, const char *what) {
	if (good)
		return;
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in6 place(const char *address, int port) {
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	char mapped[64];
	snprintf(mapped, sizeof mapped, strchr(address, ':') ? "%s" : "::ffff:%s", address);
	must(inet_pton(AF_INET6, mapped, &at.sin6_addr) == 1, address);
	return at;
}

static int tcp(void) {
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	must(fd >= 0, "socket");
	return fd;
}

static int joined(int fd, struct sockaddr_in6 at) {
	int one = 1;
	must(connect(fd, (void *)&at, sizeof at) == 0, "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

// Bound to *port, or to the next one that nobody has; *port is the one after it then.
static int bound(int *port) {
	int fd = tcp();
	for (int tries = HIGHEST - LOWEST; tries > 0; tries--) {
		struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_port = htons(*port)};
		*port = *port < HIGHEST ? *port + 1 : LOWEST;
		if (bind(fd, (void *)&from, sizeof from) == 0)
			return fd;
		must(errno == EADDRINUSE, "bind");
	}
	must(0, "no source port is free");
	return -1;
}

// Of the server: each EACH-th datagram is answered with how many came since a datagram said "first".
static void datagrams(int fd) {
	static uint64_t heard;
	char data[DATAGRAM];
	struct sockaddr_in6 from;
	for (socklen_t n = sizeof from; recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (void *)&from, &n) > 0;
	     n = sizeof from) {
		if (data[0] == 'f')
			heard = 0;
		if (++heard % EACH == 0 || data[0] == 'f')
			sendto(fd, &heard, sizeof heard, MSG_DONTWAIT, (void *)&from, n);
	}
}

static void serve(int port) {
	struct sockaddr_in6 at = place("::", port);
	struct epoll_event seen[MOST], want = {.events = EPOLLIN};
	int one = 1, listener = tcp(), udp = socket(AF_INET6, SOCK_DGRAM, 0);
	int poll = epoll_create1(0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	must(bind(listener, (void *)&at, sizeof at) == 0 && listen(listener, 512) == 0, "listen");
	must(bind(udp, (void *)&at, sizeof at) == 0, "bind");
	want.data.fd = listener;
	epoll_ctl(poll, EPOLL_CTL_ADD, listener, &want);
	want.data.fd = udp;
	epoll_ctl(poll, EPOLL_CTL_ADD, udp, &want);
	puts("listens");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(poll, seen, MOST, -1);
		for (int i = 0; i < n; i++) {
			char data[4096];
			int fd = seen[i].data.fd;
			if (fd == udp) {
				datagrams(udp);
			} else if (fd == listener) {
				want.data.fd = accept(listener, NULL, NULL);
				setsockopt(want.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				epoll_ctl(poll, EPOLL_CTL_ADD, want.data.fd, &want);
			} else {
				ssize_t got = read(fd, data, sizeof data);
				if (got <= 0 || write(fd, data, got) != got)
					close(fd);
			}
		}
	}
}

static uint32_t histogram[BUCKETS]; // of STEP nanoseconds each

static double quantile(double share, uint64_t count) {
	uint64_t below = 0;
	for (int i = 0; i < BUCKETS; i++)
		if ((below += histogram[i]) >= share * count)
			return (i + 0.5) * STEP;
	return (double)BUCKETS * STEP;
}

static void round_trips(struct sockaddr_in6 at, int flows, int64_t length) {
	struct epoll_event seen[MOST], want = {.events = EPOLLIN};
	int fds[MOST], poll = epoll_create1(0);
	int64_t sent[MOST];
	char data[SIZE] = "round trip";
	must(flows >= 1 && flows <= MOST, "flows");
	for (int i = 0; i < flows; i++)
		fds[i] = joined(tcp(), at);
	int64_t begin = now() + WARM, end = begin + length; // however long it took to connect
	for (int i = 0; i < flows; i++) {
		want.data.u32 = i;
		epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &want);
		sent[i] = now();
		must(write(fds[i], data, SIZE) == SIZE, "write");
	}
	uint64_t count = 0;
	int64_t at_last = now();
	while (at_last < end) {
		int n = epoll_wait(poll, seen, MOST, 1000);
		must(n > 0, "no answer within a second");
		for (int i = 0; i < n; i++) {
			int one = seen[i].data.u32;
			must(recv(fds[one], data, SIZE, MSG_WAITALL) == SIZE, "read");
			at_last = now();
			if (at_last >= begin && at_last < end) {
				int64_t took = (at_last - sent[one]) / STEP;
				histogram[took < BUCKETS ? took : BUCKETS - 1]++;
				count++;
			}
			sent[one] = at_last;
			must(write(fds[one], data, SIZE) == SIZE, "write");
		}
	}
	printf("{\"count\": %lu, \"seconds\": %.6f, \"p50\": %.0f, \"p99\": %.0f, \"p999\": %.0f}\n", count,
	       (double)length / SECOND, quantile(0.5, count), quantile(0.99, count), quantile(0.999, count));
}

static void connections(struct sockaddr_in6 at, int port, int64_t length) {
	const struct linger reset = {.l_onoff = 1};
	int64_t begin = now() + WARM, end = begin + length;
	uint64_t count = 0;
	must(port >= LOWEST && port <= HIGHEST, "first source port");
	for (int64_t t = now(); t < end; t = now()) {
		char data[SIZE] = "connection";
		int fd = joined(bound(&port), at);
		must(write(fd, data, SIZE) == SIZE && recv(fd, data, SIZE, MSG_WAITALL) == SIZE, "answer");
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); // no TIME_WAIT: ports would run out
		close(fd);
		count += t >= begin;
	}
	printf("{\"count\": %lu, \"seconds\": %.6f, \"next\": %d}\n", count, (double)length / SECOND, port);
}

// What is on its way is bounded, so that what is counted has arrived; an answer that is late gives the window anew.
static void window(struct sockaddr_in6 at, int64_t length) {
	const struct timeval late = {.tv_usec = LATE / 1000};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	char data[DATAGRAM] = "first";
	uint64_t heard = 0, first = 0, sent = 0, lost = 0;
	must(connect(fd, (void *)&at, sizeof at) == 0, "connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late);
	for (int tries = 0; heard == 0; tries++) {
		must(tries < 50 && send(fd, data, DATAGRAM, 0) == DATAGRAM, "no answer to the first datagram");
		recv(fd, &heard, sizeof heard, 0);
	}
	data[0] = 'x';
	sent = heard = 1;
	int64_t begin = now() + WARM, end = begin + length, t;
	while ((t = now()) < end) {
		uint64_t told;
		if (first == 0 && t >= begin)
			first = heard, lost = 0;
		while (sent - heard < WINDOW && send(fd, data, DATAGRAM, 0) == DATAGRAM)
			sent++;
		if (recv(fd, &told, sizeof told, 0) == sizeof told) {
			heard = told > heard ? told : heard;
			sent = sent > heard ? sent : heard; // what was given up came after all
		} else {
			lost += sent - heard;
			sent = heard;
		}
	}
	must(first > 0 && heard > first, "nothing arrived");
	printf("{\"count\": %lu, \"seconds\": %.6f, \"lost\": %lu}\n", heard - first, (double)length / SECOND, lost);
}

int main(int argc, char **argv) {
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	must(argc == 6, "five words are needed: rr|crr|udp ADDRESS PORT FLOWS|FIRST SECONDS");
	struct sockaddr_in6 at = place(argv[2], atoi(argv[3]));
	int64_t length = (int64_t)(atof(argv[5]) * SECOND);
	if (strcmp(argv[1], "rr") == 0)
		round_trips(at, atoi(argv[4]), length);
	else if (strcmp(argv[1], "crr") == 0)
		connections(at, atoi(argv[4]), length);
	else if (strcmp(argv[1], "udp") == 0)
		window(at, length);
	return 0;
}
