/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Made from layout.py by `make bpf`; change it there. */
#pragma once
#include <linux/types.h>

#define PROBE 1000000000ULL
#define LAND_PROBE 2000000000ULL
#define LEASE 4000000000ULL
#define LEARNS 1ULL
#define GENEVE_PORT 6081ULL
#define OVERHEAD 58ULL
#define PEER 1ULL
#define OUTSIDE 2ULL
#define ANSWERS 4ULL
#define UNTRACKED 8ULL
#define ENTERS 16ULL
#define HANDED 1587652576ULL
#define ENDED 18446744073709551615ULL
#define KNOWN 20000000000ULL
#define SETTLED 1000000000ULL

struct config {
	__u64 era;
	__u32 on;
	__u32 underlay;
	__u32 tunnel;
	__u8 address[4];
};
_Static_assert(sizeof(struct config) == 24, "config");

struct port {
	__u8 network[16];
	__u8 mac[6];
	__u16 number;
	__u32 link;
	__u32 vni;
};
_Static_assert(sizeof(struct port) == 32, "port");

struct locator {
	__u32 vni;
	__u32 number;
};
_Static_assert(sizeof(struct locator) == 8, "locator");

struct leg_key {
	__u32 vni;
	__u8 mac[6];
	__u16 pad;
};
_Static_assert(sizeof(struct leg_key) == 12, "leg_key");

struct leg {
	__u8 realm[16];
	__u32 number;
};
_Static_assert(sizeof(struct leg) == 20, "leg");

struct subnet_key {
	__u32 length;
	__u8 realm[16];
	__u32 family;
	__u8 address[16];
};
_Static_assert(sizeof(struct subnet_key) == 40, "subnet_key");

struct subnet {
	__u32 vni;
	__u8 mac[6];
	__u16 number;
	__u32 flags;
};
_Static_assert(sizeof(struct subnet) == 16, "subnet");

struct peer_host {
	__u32 pad;
};
_Static_assert(sizeof(struct peer_host) == 4, "peer_host");

struct floating_key {
	__u32 length;
	__u8 realm[16];
	__u8 fixed[4];
};
_Static_assert(sizeof(struct floating_key) == 24, "floating_key");

struct floating {
	__u8 address[4];
	__u32 link;
	__u32 vni;
	__u8 mac[6];
	__u16 mtu;
	__u32 shared;
};
_Static_assert(sizeof(struct floating) == 24, "floating");

struct public_key {
	__u32 link;
	__u8 address[4];
};
_Static_assert(sizeof(struct public_key) == 8, "public_key");

struct public {
	__u8 realm[16];
	__u8 fixed[4];
	__u8 mac[6];
	__u16 shared;
};
_Static_assert(sizeof(struct public) == 28, "public");

struct endpoint_key {
	__u8 realm[16];
	__u8 address[16];
	__u32 family;
	__u32 pad;
};
_Static_assert(sizeof(struct endpoint_key) == 40, "endpoint_key");

struct endpoint {
	__u32 link;
	__u32 flags;
	__u8 mac[6];
	__u16 mtu;
	__u8 router[6];
	__u16 prefix;
};
_Static_assert(sizeof(struct endpoint) == 24, "endpoint");

struct flow_key {
	__u8 realm[16];
	__u8 low[16];
	__u8 high[16];
	__u16 low_port;
	__u16 high_port;
	__u16 family;
	__u16 protocol;
};
_Static_assert(sizeof(struct flow_key) == 56, "flow_key");

struct flow {
	__u64 sent[2];
	__u64 passed[2];
	__u64 sent_at[2];
	__u64 passed_at[2];
	__u64 packets[2];
	__u64 bytes[2];
	__u64 place;
	__u64 mac;
};
_Static_assert(sizeof(struct flow) == 112, "flow");

struct asked {
	__u64 begun;
	__u64 seen;
	__u64 packets;
};
_Static_assert(sizeof(struct asked) == 24, "asked");

struct translation {
	__u64 read;
	__u64 known;
	__u8 address[4];
	__u32 link;
	__u16 port;
	__u16 pad;
	__u32 reserved;
};
_Static_assert(sizeof(struct translation) == 32, "translation");

struct shared_key {
	__u32 link;
	__u8 address[4];
	__u8 peer[4];
	__u16 port;
	__u16 peer_port;
	__u32 protocol;
};
_Static_assert(sizeof(struct shared_key) == 20, "shared_key");

struct inner {
	__u8 fixed[4];
	__u16 port;
	__u16 pad;
};
_Static_assert(sizeof(struct inner) == 8, "inner");

struct voucher {
	__u64 until;
};
_Static_assert(sizeof(struct voucher) == 8, "voucher");

struct tally {
	__u64 packets[32];
	__u64 bytes[32];
};
_Static_assert(sizeof(struct tally) == 512, "tally");

enum reason {
	FAST = 0,
	OFF = 1,
	NO_PORT = 2,
	NOT_IP = 3,
	SHORT = 4,
	OPTIONS = 5,
	FRAGMENT = 6,
	LENGTH = 7,
	CHECKSUM = 8,
	HOPS = 9,
	PROTOCOL = 10,
	SERVICE = 11,
	SENDER = 12,
	BEGINS_OR_ENDS = 13,
	ELSEWHERE = 14,
	ROUTED = 15,
	PAUSED = 16,
	NEW = 17,
	LEARNING = 18,
	EXPIRED = 19,
	KEEPALIVE = 20,
	MTU = 21,
	FULL = 22,
	BUNDLE = 23,
	ROUTE = 24,
	NESTED = 25,
	OUTER = 26,
	OUTER_CHECKSUM = 27,
	CONGESTION = 28,
	STRANGER = 29,
	DAMAGED = 30,
	TRANSLATION = 31,
};

struct map { __u32 unused; };
struct map settings SECTION("maps"); /* __u32 -> struct config */
struct map ports SECTION("maps"); /* __u32 -> struct port */
struct map endpoints SECTION("maps"); /* struct endpoint_key -> struct endpoint */
struct map locators SECTION("maps"); /* struct locator -> struct port */
struct map legs SECTION("maps"); /* struct leg_key -> struct leg */
struct map subnets SECTION("maps"); /* struct subnet_key -> struct subnet */
struct map peers SECTION("maps"); /* __u32 -> struct peer_host */
struct map floating SECTION("maps"); /* struct floating_key -> struct floating */
struct map public SECTION("maps"); /* struct public_key -> struct public */
struct map flows SECTION("maps"); /* struct flow_key -> struct flow */
struct map asked SECTION("maps"); /* struct flow_key -> struct asked */
struct map translations SECTION("maps"); /* struct flow_key -> struct translation */
struct map shared SECTION("maps"); /* struct shared_key -> struct inner */
struct map vouchers SECTION("maps"); /* __u32 -> struct voucher */
struct map total SECTION("maps"); /* __u32 -> struct tally */
struct map landed SECTION("maps"); /* __u32 -> struct tally */
struct map tallies SECTION("maps"); /* __u32 -> struct tally */
