/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Established flows between two containers of one network on this host, past Open vSwitch.
 *
 *   sender eth0 ══ slh ── leave ──┬─ hit ───────────────────────────> receiver's eth0
 *                                 └─ miss ─> sls ══ Open vSwitch ══ sls ── arrive ─> slh ══ receiver
 *
 * `leave` sees what a container sends, `arrive` what Open vSwitch has let through to one.  Neither
 * changes or drops a packet: what `leave` does not hand over goes the way it would go without it.
 *
 * A flow is fast in one direction when packets of both have come out of Open vSwitch since the
 * generation began, and one of this direction within LEASE.  To keep that so, and its entry in connection
 * tracking alive, one packet each PROBE goes the slow way.
 *
 * Marks say who may use an entry, since memory of deleted entries is given to others at once: a mark
 * holds the generation, the sender's link and a digest of the key, and is written and read in one piece.
 */
#define SECTION(name) __attribute__((section(name), used))
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "layout.h"

#define INLINE static inline __attribute__((always_inline))
#define NETWORK_ORDER(n) __builtin_bswap16(n)
#define LONGEST_HEADERS (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))
#define DONT_FRAGMENT 0x4000
#define DNS 53
#define MULTICAST_DNS 5353
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the object is made for little-endian machines"
#endif

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) =
	(void *)BPF_FUNC_map_update_elem;
static long (*map_delete)(void *map, const void *key) = (void *)BPF_FUNC_map_delete_elem;
static __u64 (*now)(void) = (void *)BPF_FUNC_ktime_get_coarse_ns;
static long (*pull)(struct __sk_buff *skb, __u32 length) = (void *)BPF_FUNC_skb_pull_data;
static long (*redirect)(__u32 link, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*redirect_peer)(__u32 link, __u64 flags) = (void *)BPF_FUNC_redirect_peer;

struct packet {
	struct flow_key key;
	__u8 *source, *destination; /* MACs */
	__u32 direction;            /* 0: from key.low to key.high */
	__u32 headers;              /* bytes, up to the payload */
	__u32 flags;                /* TCP's */
};

struct addresses {
	__u64 from[2], to[2];
};

INLINE int same_mac(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* RFC 1071: ones' complement sum over the 20 bytes of the header, its checksum included. */
INLINE int checksum_holds(const struct iphdr *ip)
{
	const __u16 *half = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* The order of a flow's two ends is the same for both directions. */
INLINE void fill_key(struct packet *packet, const struct addresses *found, __u16 from, __u16 to)
{
	struct flow_key *key = &packet->key;
	__u64 *low = (__u64 *)key->low, *high = (__u64 *)key->high;
	int swapped = found->from[1] > found->to[1] ||
		      (found->from[1] == found->to[1] && found->from[0] > found->to[0]);

	packet->direction = swapped;
	low[0] = swapped ? found->to[0] : found->from[0];
	low[1] = swapped ? found->to[1] : found->from[1];
	high[0] = swapped ? found->from[0] : found->to[0];
	high[1] = swapped ? found->from[1] : found->to[1];
	key->low_port = swapped ? to : from;
	key->high_port = swapped ? from : to;
}

INLINE int is_service(__u16 from, __u16 to)
{
	return from == NETWORK_ORDER(DNS) || to == NETWORK_ORDER(DNS) || to == NETWORK_ORDER(MULTICAST_DNS) ||
	       from == NETWORK_ORDER(67) || from == NETWORK_ORDER(68) || to == NETWORK_ORDER(67) ||
	       to == NETWORK_ORDER(68) || to == NETWORK_ORDER(546) || to == NETWORK_ORDER(547);
}

/* `payload` is what IP says follows its header. */
INLINE int read_transport(struct packet *packet, struct addresses *found, void *transport, void *end,
			  __u32 payload)
{
	__u16 *port = transport;

	if (packet->key.protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = transport;

		if ((void *)(tcp + 1) > end)
			return SHORT;
		if (tcp->doff < 5 || tcp->doff * 4 > payload)
			return LENGTH;
		packet->flags = ((__u8 *)tcp)[13];
		packet->headers += tcp->doff * 4;
	} else if (packet->key.protocol == IPPROTO_UDP) {
		struct udphdr *udp = transport;

		if ((void *)(udp + 1) > end)
			return SHORT;
		if (NETWORK_ORDER(udp->len) < sizeof(*udp) || NETWORK_ORDER(udp->len) > payload)
			return LENGTH;
		if (packet->key.family == ETH_P_IPV6 && !udp->check)
			return CHECKSUM;
		packet->headers += sizeof(*udp);
	} else {
		return PROTOCOL;
	}
	if (is_service(port[0], port[1]))
		return SERVICE;
	fill_key(packet, found, port[0], port[1]);
	return FAST;
}

INLINE int read_ipv4(struct __sk_buff *skb, struct packet *packet, struct iphdr *ip, void *end)
{
	struct addresses found = {};
	__u32 total;

	if ((void *)(ip + 1) > end)
		return SHORT;
	if (*(__u8 *)ip != 0x45)
		return OPTIONS;
	if (ip->frag_off & ~NETWORK_ORDER(DONT_FRAGMENT))
		return FRAGMENT;
	total = NETWORK_ORDER(ip->tot_len);
	if (total < sizeof(*ip) || total + sizeof(struct ethhdr) != skb->len)
		return LENGTH;
	if (!checksum_holds(ip))
		return CHECKSUM;
	if (!ip->ttl)
		return HOPS;
	found.from[1] = (__u64)ip->saddr << 32;
	found.to[1] = (__u64)ip->daddr << 32;
	packet->key.family = ETH_P_IP;
	packet->key.protocol = ip->protocol;
	packet->headers = sizeof(struct ethhdr) + sizeof(*ip);
	return read_transport(packet, &found, ip + 1, end, total - sizeof(*ip));
}

INLINE int read_ipv6(struct __sk_buff *skb, struct packet *packet, struct ipv6hdr *ip, void *end)
{
	struct addresses found;
	__u32 payload;

	if ((void *)(ip + 1) > end)
		return SHORT;
	if (ip->version != 6)
		return OPTIONS;
	payload = NETWORK_ORDER(ip->payload_len);
	if (payload + sizeof(*ip) + sizeof(struct ethhdr) != skb->len)
		return LENGTH;
	if (!ip->hop_limit)
		return HOPS;
	__builtin_memcpy(found.from, &ip->saddr, 16);
	__builtin_memcpy(found.to, &ip->daddr, 16);
	packet->key.family = ETH_P_IPV6;
	packet->key.protocol = ip->nexthdr;
	packet->headers = sizeof(struct ethhdr) + sizeof(*ip);
	return read_transport(packet, &found, ip + 1, end, payload);
}

/* FAST when the packet is of a kind that can be fast; else the reason why it is not. */
INLINE int read_packet(struct __sk_buff *skb, struct packet *packet, const struct port *port)
{
	struct ethhdr *ethernet;
	void *end;

	if (skb->vlan_present)
		return NOT_IP;
	if (skb->data_end - skb->data < LONGEST_HEADERS && skb->data_end - skb->data < skb->len)
		pull(skb, skb->len < LONGEST_HEADERS ? skb->len : LONGEST_HEADERS);
	ethernet = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if ((void *)(ethernet + 1) > end)
		return SHORT;
	packet->source = ethernet->h_source;
	packet->destination = ethernet->h_dest;
	__builtin_memcpy(packet->key.network, port->network, 16);
	if (ethernet->h_proto == NETWORK_ORDER(ETH_P_IP))
		return read_ipv4(skb, packet, (void *)(ethernet + 1), end);
	if (ethernet->h_proto == NETWORK_ORDER(ETH_P_IPV6))
		return read_ipv6(skb, packet, (void *)(ethernet + 1), end);
	return NOT_IP;
}

INLINE struct endpoint *endpoint_at(const struct packet *packet, int sender)
{
	struct endpoint_key key = {.family = packet->key.family};
	int low = sender ? !packet->direction : packet->direction;

	__builtin_memcpy(key.network, packet->key.network, 16);
	if (low)
		__builtin_memcpy(key.address, packet->key.low, 16);
	else
		__builtin_memcpy(key.address, packet->key.high, 16);
	return map_lookup(&endpoints, &key);
}

/* What is read once cannot change between two looks at it. */
INLINE __u64 era_of(const struct config *config)
{
	return *(const volatile __u64 *)&config->era;
}

INLINE __u64 mark_of(__u64 era, const struct flow_key *key, __u32 link)
{
	const __u64 *word = (const __u64 *)key;
	__u64 digest = 0;

#pragma unroll
	for (int i = 0; i < sizeof(*key) / 8; i++) {
		digest = (digest ^ word[i]) * 0x9e3779b97f4a7c15ULL;
		digest ^= digest >> 29;
	}
	return (era >> 1 << 32 | link) ^ (digest & 0xffffffff00000000ULL);
}

/* Where a direction's fields are; the verifier wants no variable index here. */
#define OF(flow, field, direction) ((direction) ? &(flow)->field[1] : &(flow)->field[0])

INLINE int note_first(const struct packet *packet, __u64 mark, __u64 time)
{
	struct flow fresh = {};

	*OF(&fresh, sent, packet->direction) = mark;
	*OF(&fresh, sent_at, packet->direction) = time;
	return map_update(&flows, &packet->key, &fresh, BPF_NOEXIST) ? FULL : NEW;
}

INLINE int note_sent(struct flow *flow, __u32 direction, __u64 mark, __u64 time, int reason)
{
	*OF(flow, sent_at, direction) = time;
	*OF(flow, sent, direction) = mark;
	return reason;
}

/* By what the entry says: FAST, or why the packet goes to Open vSwitch, and that it was sent there. */
INLINE int judge_flow(struct __sk_buff *skb, __u64 era, const struct packet *packet, struct flow *flow,
		      const struct endpoint *to, __u64 mark)
{
	__u32 direction = packet->direction;
	__u64 time = now();
	__u64 since_sent = time - *OF(flow, sent_at, direction);
	__u32 length = skb->gso_size ? packet->headers + skb->gso_size : skb->len;

	if (*OF(flow, sent, direction) != mark)
		return note_sent(flow, direction, mark, time, NEW);
	if (*OF(flow, passed, direction) != mark ||
	    *OF(flow, passed, !direction) != mark_of(era, &packet->key, to->link))
		return note_sent(flow, direction, mark, time, LEARNING);
	if (time - *OF(flow, passed_at, direction) > LEASE)
		return note_sent(flow, direction, mark, time, EXPIRED);
	if (length > to->mtu + sizeof(struct ethhdr))
		return MTU;
	/* A bundle of segments would be overtaken by what follows it: wait a while for a single one. */
	if (since_sent > (skb->gso_size ? 2 * PROBE : PROBE))
		return note_sent(flow, direction, mark, time, KEEPALIVE);
	*OF(flow, packets, direction) += 1;
	*OF(flow, bytes, direction) += skb->len;
	return FAST;
}

INLINE int judge_leaving(struct __sk_buff *skb, const struct port *port, struct endpoint **to)
{
	struct packet packet = {};
	struct endpoint *from;
	struct config *config;
	struct flow *flow;
	__u64 era, mark;
	__u32 zero = 0;
	int reason;

	config = map_lookup(&settings, &zero);
	if (!config || !config->on)
		return OFF;
	era = era_of(config);
	reason = read_packet(skb, &packet, port);
	if (reason != FAST)
		return reason;
	from = endpoint_at(&packet, 1);
	if (!same_mac(packet.source, port->mac) || !from || from->link != port->link)
		return SENDER;
	if (packet.flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
		map_delete(&flows, &packet.key);
		return BEGINS_OR_ENDS;
	}
	*to = endpoint_at(&packet, 0);
	if (!*to)
		return ELSEWHERE;
	if (!same_mac(packet.destination, (*to)->mac))
		return ROUTED;
	if (!(era & LEARNS))
		return PAUSED;
	mark = mark_of(era, &packet.key, port->link);
	flow = map_lookup(&flows, &packet.key);
	if (!flow)
		return note_first(&packet, mark, now());
	return judge_flow(skb, era, &packet, flow, *to, mark);
}

INLINE void count(__u32 link, __u32 reason, __u32 bytes)
{
	struct tally *tally;
	__u32 zero = 0;

	if (reason > FULL)
		return;
	tally = map_lookup(&total, &zero);
	if (tally) {
		tally->packets[reason] += 1;
		tally->bytes[reason] += bytes;
	}
	tally = map_lookup(&tallies, &link);
	if (tally) {
		tally->packets[reason] += 1;
		tally->bytes[reason] += bytes;
	}
}

/* tc ingress of the host's end of a container's link. */
SECTION("tc/leave")
int leave(struct __sk_buff *skb)
{
	__u32 link = skb->ifindex;
	struct port *port = map_lookup(&ports, &link);
	struct endpoint *to = 0;
	int reason = port ? judge_leaving(skb, port, &to) : NO_PORT;

	count(link, reason, skb->len);
	if (reason != FAST || !to)
		return TC_ACT_UNSPEC;
	return to->flags & PEER ? redirect_peer(to->link, 0) : redirect(to->link, 0);
}

/* tc ingress of the link on which Open vSwitch hands over what is for a container. */
SECTION("tc/arrive")
int arrive(struct __sk_buff *skb)
{
	__u32 link = skb->ifindex, zero = 0;
	struct config *config = map_lookup(&settings, &zero);
	struct port *port = map_lookup(&ports, &link);
	struct packet packet = {};
	struct endpoint *from, *to;
	struct flow *flow;
	__u64 era, mark;

	if (!config || !port || !config->on)
		return TC_ACT_UNSPEC;
	era = era_of(config);
	if (!(era & LEARNS))
		return TC_ACT_UNSPEC;
	if (read_packet(skb, &packet, port) != FAST || packet.flags & (TCP_SYN | TCP_FIN | TCP_RST))
		return TC_ACT_UNSPEC;
	from = endpoint_at(&packet, 1);
	to = endpoint_at(&packet, 0);
	if (!from || !to || to->link != port->link)
		return TC_ACT_UNSPEC;
	if (!same_mac(packet.source, from->mac) || !same_mac(packet.destination, to->mac))
		return TC_ACT_UNSPEC;
	flow = map_lookup(&flows, &packet.key);
	mark = mark_of(era, &packet.key, from->link);
	if (flow && *OF(flow, sent, packet.direction) == mark) {
		*OF(flow, passed_at, packet.direction) = now();
		*OF(flow, passed, packet.direction) = mark;
	}
	return TC_ACT_UNSPEC;
}

char programs_license[] SECTION("license") = "Dual BSD/GPL";
char programs_source[] SECTION("source") = SOURCE; /* digest of what this was compiled from */
