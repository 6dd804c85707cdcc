/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Established flows between two containers of one network, past Open vSwitch.
 *
 *   sender eth0 ══ slh ── leave ──┬─ hit ───────────────────────────> receiver's eth0
 *                                 └─ miss ─> sls ══ Open vSwitch ══ sls ── arrive ─> slh ══ receiver
 *
 * and, where the receiver is on another host, in the tunnel that OVN would use (Geneve, RFC 8926):
 *
 *   sender eth0 ══ slh ── leave ──┬─ hit, with the tunnel's headers ──────────────────────> NIC
 *                                 └─ miss ─> sls ══ Open vSwitch ══ slx0 ── depart ─> host ─> NIC
 *   NIC ── land ──┬─ hit, without them ──────────────────────────────> receiver's eth0
 *                 └─ miss ─> host ─> slx0 ══ Open vSwitch ══ sls ── arrive ─> slh ══ receiver
 *
 * `leave` sees what a container sends, `arrive` what Open vSwitch has let through to one, `depart` what it
 * has let through to another host, `land` what comes from the underlay.  They drop nothing, and change only
 * what they hand over: all else goes the way it would go without them.
 *
 * For each end on another host its flow remembers where Open vSwitch sends its packets: the host, the port's
 * number and MAC.  Only what comes from there is taken for that end's.
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
#define ECN 0x03 /* RFC 3168 */
#define ECT_0 0x02
#define CONGESTION_EXPERIENCED 0x03
#define HOPS_OF_TUNNEL 64 /* Open vSwitch's */
#define GENEVE_CRITICAL 0x40
#define ETHERNET_BRIDGING 0x6558
#define OVN_CLASS 0x0102
#define OVN_TYPE 0x80
#define UNRELATED 0xffff /* no reason: no tunnel's packet for us */
#define THIS_HOST 0      /* PACKET_HOST of linux/if_packet.h */
#define IPV4_FAMILY 2
#define FAR 0x80000000 /* in a mark, where links have their number, which never has this bit */
#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV6
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif
#define WRAP                                                                                        \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |    \
	 BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the object is made for little-endian machines"
#endif

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) =
	(void *)BPF_FUNC_map_update_elem;
static long (*map_delete)(void *map, const void *key) = (void *)BPF_FUNC_map_delete_elem;
static __u64 (*now)(void) = (void *)BPF_FUNC_ktime_get_coarse_ns;
static long (*pull)(struct __sk_buff *skb, __u32 length) = (void *)BPF_FUNC_skb_pull_data;
static long (*adjust_room)(struct __sk_buff *skb, __s32 length, __u32 mode, __u64 flags) =
	(void *)BPF_FUNC_skb_adjust_room;
static long (*store)(struct __sk_buff *skb, __u32 offset, const void *from, __u32 length, __u64 flags) =
	(void *)BPF_FUNC_skb_store_bytes;
static long (*look_up_route)(struct __sk_buff *skb, struct bpf_fib_lookup *route, __s32 length,
			     __u32 flags) = (void *)BPF_FUNC_fib_lookup;
static __u32 (*hash_of)(struct __sk_buff *skb) = (void *)BPF_FUNC_get_hash_recalc;
static long (*redirect)(__u32 link, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*redirect_peer)(__u32 link, __u64 flags) = (void *)BPF_FUNC_redirect_peer;

struct packet {
	struct flow_key key;
	__u8 *source, *destination; /* MACs */
	__u32 direction;            /* 0: from key.low to key.high */
	__u32 length;               /* bytes, from its Ethernet header on */
	__u32 headers;              /* those up to the payload */
	__u32 flags;                /* TCP's */
	__u32 congestion;           /* ECN of IP's header */
};

/* RFC 8926 with OVN's only option (ovn-architecture(7), "Tunnel Encapsulations"). */
struct geneve {
	__u8 version_and_length, flags;
	__u16 protocol;
	__u32 vni; /* 24 bits, and 8 that are zero */
	__u16 class;
	__u8 type, length;
	__u16 sender, receiver;
};

struct outer {
	struct iphdr ip;
	struct udphdr udp;
	struct geneve geneve;
} __attribute__((packed));

struct wrapped {
	struct ethhdr ethernet;
	struct outer outer;
	struct ethhdr inner;
} __attribute__((packed));
_Static_assert(sizeof(struct wrapped) == sizeof(struct ethhdr) + OVERHEAD, "wrapped");

/* What a tunnel's headers say. */
struct tunnel {
	__u32 from, to;         /* hosts, in network order */
	__u32 vni;
	__u32 sender, receiver; /* OVN's numbers of ports */
	__u32 summed;           /* there is a UDP checksum */
	__u32 congestion;
};

/* Of one direction: what it bears when it was sent to Open vSwitch, has come out, and the other one then. */
struct marks {
	__u64 sent, passed, back;
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

INLINE int read_ipv4(struct __sk_buff *skb, struct packet *packet, struct iphdr *ip, void *end,
		     __u32 before)
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
	if (total < sizeof(*ip) || before + sizeof(struct ethhdr) + total != skb->len)
		return LENGTH;
	if (!checksum_holds(ip))
		return CHECKSUM;
	if (!ip->ttl)
		return HOPS;
	found.from[1] = (__u64)ip->saddr << 32;
	found.to[1] = (__u64)ip->daddr << 32;
	packet->key.family = ETH_P_IP;
	packet->key.protocol = ip->protocol;
	packet->congestion = ip->tos & ECN;
	packet->headers = sizeof(struct ethhdr) + sizeof(*ip);
	return read_transport(packet, &found, ip + 1, end, total - sizeof(*ip));
}

INLINE int read_ipv6(struct __sk_buff *skb, struct packet *packet, struct ipv6hdr *ip, void *end,
		     __u32 before)
{
	struct addresses found;
	__u32 payload;

	if ((void *)(ip + 1) > end)
		return SHORT;
	if (ip->version != 6)
		return OPTIONS;
	payload = NETWORK_ORDER(ip->payload_len);
	if (before + sizeof(struct ethhdr) + sizeof(*ip) + payload != skb->len)
		return LENGTH;
	if (!ip->hop_limit)
		return HOPS;
	__builtin_memcpy(found.from, &ip->saddr, 16);
	__builtin_memcpy(found.to, &ip->daddr, 16);
	packet->key.family = ETH_P_IPV6;
	packet->key.protocol = ip->nexthdr;
	packet->congestion = ip->flow_lbl[0] >> 4 & ECN;
	packet->headers = sizeof(struct ethhdr) + sizeof(*ip);
	return read_transport(packet, &found, ip + 1, end, payload);
}

/* Make so much of the packet readable, where there is so much. */
INLINE void reach(struct __sk_buff *skb, __u32 length)
{
	if (skb->data_end - skb->data < length && skb->data_end - skb->data < skb->len)
		pull(skb, skb->len < length ? skb->len : length);
}

/* FAST when the packet behind so many bytes is of a kind that can be fast; else the reason why it is not. */
INLINE int read_packet(struct __sk_buff *skb, struct packet *packet, const struct port *port, __u32 before)
{
	struct ethhdr *ethernet;
	void *end;

	if (skb->vlan_present)
		return NOT_IP;
	reach(skb, before + LONGEST_HEADERS);
	ethernet = (void *)(long)skb->data + before;
	end = (void *)(long)skb->data_end;
	if ((void *)(ethernet + 1) > end)
		return SHORT;
	packet->source = ethernet->h_source;
	packet->destination = ethernet->h_dest;
	__builtin_memcpy(packet->key.network, port->network, 16);
	if (ethernet->h_proto == NETWORK_ORDER(ETH_P_IP))
		return read_ipv4(skb, packet, (void *)(ethernet + 1), end, before);
	if (ethernet->h_proto == NETWORK_ORDER(ETH_P_IPV6))
		return read_ipv6(skb, packet, (void *)(ethernet + 1), end, before);
	return NOT_IP;
}

/* Whether it is a whole datagram to the port of tunnels, be it well made or not. */
INLINE int is_tunnel(const struct __sk_buff *skb, const struct outer *outer)
{
	return *(__u8 *)&outer->ip == 0x45 && outer->ip.protocol == IPPROTO_UDP &&
	       !(outer->ip.frag_off & ~NETWORK_ORDER(DONT_FRAGMENT)) &&
	       outer->udp.dest == NETWORK_ORDER(GENEVE_PORT) && skb->pkt_type == THIS_HOST;
}

INLINE int is_of_ovn(const struct geneve *geneve)
{
	return geneve->version_and_length == 2 && geneve->flags == GENEVE_CRITICAL &&
	       geneve->protocol == NETWORK_ORDER(ETHERNET_BRIDGING) && !((__u8 *)&geneve->vni)[3] &&
	       geneve->class == NETWORK_ORDER(OVN_CLASS) && geneve->type == OVN_TYPE && geneve->length == 1;
}

/* UNRELATED when it is none, OUTER when it is none of those that can be fast, else FAST. */
INLINE int read_tunnel(struct __sk_buff *skb, struct tunnel *found)
{
	struct outer *outer;
	__u32 total;

	if (skb->protocol != NETWORK_ORDER(ETH_P_IP) || skb->vlan_present)
		return UNRELATED;
	reach(skb, sizeof(struct ethhdr) + sizeof(*outer));
	outer = (void *)(long)skb->data + sizeof(struct ethhdr);
	if ((void *)(outer + 1) > (void *)(long)skb->data_end || !is_tunnel(skb, outer))
		return UNRELATED;
	found->from = outer->ip.saddr;
	found->to = outer->ip.daddr;
	total = NETWORK_ORDER(outer->ip.tot_len);
	if (total + sizeof(struct ethhdr) != skb->len || !checksum_holds(&outer->ip) || !outer->ip.ttl ||
	    NETWORK_ORDER(outer->udp.len) != total - sizeof(outer->ip) || !is_of_ovn(&outer->geneve))
		return OUTER;
	found->vni = __builtin_bswap32(outer->geneve.vni) >> 8;
	found->sender = NETWORK_ORDER(outer->geneve.sender);
	found->receiver = NETWORK_ORDER(outer->geneve.receiver);
	found->summed = outer->udp.check;
	found->congestion = (outer->ip.tos & ECN) == CONGESTION_EXPERIENCED;
	return FAST;
}

INLINE struct port *port_at(__u32 vni, __u32 number)
{
	struct locator at = {.vni = vni, .number = number};

	return map_lookup(&locators, &at);
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

INLINE __u64 mixed(__u64 digest, __u64 word)
{
	digest = (digest ^ word) * 0x9e3779b97f4a7c15ULL;
	return digest ^ digest >> 29;
}

INLINE __u64 digest_of(const struct flow_key *key)
{
	const __u64 *word = (const __u64 *)key;
	__u64 digest = 0;

#pragma unroll
	for (int i = 0; i < sizeof(*key) / 8; i++)
		digest = mixed(digest, word[i]);
	return digest;
}

INLINE __u64 mark_of(__u64 era, __u64 digest, __u32 link)
{
	return (era >> 1 << 32 | link) ^ (digest & 0xffffffff00000000ULL);
}

/* Of the end on another host. */
INLINE __u64 far_mark(__u64 era, __u64 digest)
{
	return mark_of(era, digest, FAR | (digest & ~FAR));
}

INLINE __u64 word_of(const __u8 *mac)
{
	const __u16 *part = (const __u16 *)mac;

	return (__u64)part[0] << 32 | (__u64)part[1] << 16 | part[2];
}

INLINE __u64 place_of(__u32 host, __u32 number)
{
	return (__u64)host << 32 | number;
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

INLINE void note_passed(struct flow *flow, __u32 direction, __u64 mark)
{
	*OF(flow, passed_at, direction) = now();
	*OF(flow, passed, direction) = mark;
}

INLINE void note_fast(struct flow *flow, __u32 direction, __u32 length)
{
	*OF(flow, packets, direction) += 1;
	*OF(flow, bytes, direction) += length;
}

/* What is read once cannot change between two looks at it. */
INLINE __u64 once(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

/* By what the entry says: FAST, or why the packet goes to Open vSwitch, and that it was sent there. */
INLINE int judge_flow(struct __sk_buff *skb, const struct packet *packet, struct flow *flow,
		      const struct marks *marks, __u32 longest, __u64 probe)
{
	__u32 direction = packet->direction;
	__u64 time = now();
	__u64 since_sent = time - *OF(flow, sent_at, direction);

	if (*OF(flow, sent, direction) != marks->sent)
		return note_sent(flow, direction, marks->sent, time, NEW);
	if (*OF(flow, passed, direction) != marks->passed || *OF(flow, passed, !direction) != marks->back)
		return note_sent(flow, direction, marks->sent, time, LEARNING);
	if (time - *OF(flow, passed_at, direction) > LEASE)
		return note_sent(flow, direction, marks->sent, time, EXPIRED);
	if (longest < (skb->gso_size ? packet->headers + skb->gso_size : packet->length))
		return MTU;
	/* A bundle of segments would be overtaken by what follows it: wait a while for a single one. */
	if (since_sent > probe + (skb->gso_size ? PROBE : 0))
		return note_sent(flow, direction, marks->sent, time, KEEPALIVE);
	return FAST;
}

/* Whether the first `prefix` bits of both ends are the same: they are on one link, whatever is on it. */
INLINE int is_near(const struct packet *packet, __u32 prefix)
{
	const __u64 *low = (const __u64 *)packet->key.low, *high = (const __u64 *)packet->key.high;
	__u64 first = __builtin_bswap64(low[0] ^ high[0]), last = __builtin_bswap64(low[1] ^ high[1]);

	if (!prefix || prefix > 128)
		return 0;
	if (prefix <= 64)
		return !(first >> (64 - prefix & 63));
	return !first && !(last >> (128 - prefix & 63));
}

/* The way that the host's own stack would choose for what Open vSwitch has put into a tunnel. */
INLINE int find_way(struct __sk_buff *skb, const struct config *config, const struct packet *packet,
		    __u64 place, struct bpf_fib_lookup *route)
{
	__u32 length = OVERHEAD - sizeof(struct ethhdr);

	if (packet->length + length > 0xffff)
		return MTU;
	length += skb->gso_size ? packet->headers + skb->gso_size : packet->length;
	if (length > 0xffff)
		return MTU;
	route->family = IPV4_FAMILY;
	route->l4_protocol = IPPROTO_UDP;
	route->tot_len = length;
	route->ifindex = config->tunnel;
	route->ipv4_src = *(__u32 *)config->address;
	route->ipv4_dst = place >> 32;
	if (look_up_route(skb, route, sizeof(*route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return ROUTE;
	return route->ifindex == config->underlay ? FAST : ROUTE;
}

INLINE __u16 checksum(const struct iphdr *ip)
{
	const __u16 *half = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

/* As Open vSwitch makes it, but for the checksum over the whole datagram, which IPv4 lets be without. */
INLINE void fill_outer(struct outer *outer, const struct config *config, const struct port *port,
		       const struct packet *packet, __u64 place, __u32 hash)
{
	__u32 total = packet->length + OVERHEAD - sizeof(struct ethhdr);

	*(__u8 *)&outer->ip = 0x45;
	/* RFC 6040, 4.1, in its compatible manner. */
	outer->ip.tos = packet->congestion == CONGESTION_EXPERIENCED ? ECT_0 : packet->congestion;
	outer->ip.tot_len = NETWORK_ORDER(total);
	outer->ip.frag_off = NETWORK_ORDER(DONT_FRAGMENT);
	outer->ip.ttl = HOPS_OF_TUNNEL;
	outer->ip.protocol = IPPROTO_UDP;
	outer->ip.saddr = *(__u32 *)config->address;
	outer->ip.daddr = place >> 32;
	outer->ip.check = checksum(&outer->ip);
	outer->udp.source = NETWORK_ORDER(0x8000 | (hash & 0x3fff)); /* spreads flows, as RFC 8926, 3.3 has it */
	outer->udp.dest = NETWORK_ORDER(GENEVE_PORT);
	outer->udp.len = NETWORK_ORDER(total - sizeof(outer->ip));
	outer->geneve.version_and_length = 2;
	outer->geneve.flags = GENEVE_CRITICAL;
	outer->geneve.protocol = NETWORK_ORDER(ETHERNET_BRIDGING);
	outer->geneve.vni = __builtin_bswap32(port->vni << 8);
	outer->geneve.class = NETWORK_ORDER(OVN_CLASS);
	outer->geneve.type = OVN_TYPE;
	outer->geneve.length = 1;
	outer->geneve.sender = NETWORK_ORDER(port->number);
	outer->geneve.receiver = NETWORK_ORDER(place);
}

/* Into the tunnel.  Unless it is FAST the packet is as it was; DAMAGED can't be, but for want of memory. */
INLINE int wrap(struct __sk_buff *skb, const struct config *config, const struct port *port,
		const struct packet *packet, __u64 place)
{
	struct bpf_fib_lookup route = {};
	struct wrapped headers = {};
	int reason = find_way(skb, config, packet, place, &route);

	if (reason != FAST)
		return reason;
	__builtin_memcpy(headers.ethernet.h_dest, route.dmac, ETH_ALEN);
	__builtin_memcpy(headers.ethernet.h_source, route.smac, ETH_ALEN);
	headers.ethernet.h_proto = NETWORK_ORDER(ETH_P_IP);
	__builtin_memcpy(headers.inner.h_dest, packet->destination, ETH_ALEN);
	__builtin_memcpy(headers.inner.h_source, packet->source, ETH_ALEN);
	headers.inner.h_proto = NETWORK_ORDER(packet->key.family);
	fill_outer(&headers.outer, config, port, packet, place, hash_of(skb));
	if (adjust_room(skb, OVERHEAD, BPF_ADJ_ROOM_MAC, WRAP))
		return NESTED;
	return store(skb, 0, &headers, sizeof(headers), 0) ? DAMAGED : FAST;
}

/* Out of the tunnel; likewise. */
INLINE int unwrap(struct __sk_buff *skb, const struct packet *packet)
{
	__u64 flags = packet->key.family == ETH_P_IPV6 ? BPF_F_ADJ_ROOM_DECAP_L3_IPV6 : 0;
	struct ethhdr ethernet;

	__builtin_memcpy(ethernet.h_dest, packet->destination, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, packet->source, ETH_ALEN);
	ethernet.h_proto = NETWORK_ORDER(packet->key.family);
	if (adjust_room(skb, -(int)OVERHEAD, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | flags))
		return OUTER;
	return store(skb, 0, &ethernet, sizeof(ethernet), 0) ? DAMAGED : FAST;
}

/* To a receiver on this host. */
INLINE int judge_near(struct __sk_buff *skb, __u64 era, const struct port *port, const struct packet *packet,
		      const struct endpoint *to)
{
	__u64 digest = digest_of(&packet->key), mark = mark_of(era, digest, port->link);
	struct marks marks = {mark, mark, mark_of(era, digest, to->link)};
	struct flow *flow = map_lookup(&flows, &packet->key);
	int reason;

	if (!flow)
		return note_first(packet, mark, now());
	reason = judge_flow(skb, packet, flow, &marks, to->mtu + sizeof(struct ethhdr), PROBE);
	if (reason == FAST)
		note_fast(flow, packet->direction, packet->length);
	return reason;
}

/* To a receiver on another host, perhaps. */
INLINE int judge_far(struct __sk_buff *skb, __u64 era, const struct config *config, const struct port *port,
		     const struct packet *packet, const struct endpoint *from)
{
	__u64 digest = digest_of(&packet->key), to = word_of(packet->destination), place;
	struct marks marks = {.sent = mark_of(era, mixed(digest, to), port->link)};
	struct flow *flow;
	int reason;

	/* Without the kernel's DECAP_L4_UDP the receiver's stack would take it for a tunnel's (see land). */
	if (skb->gso_size && packet->key.protocol == IPPROTO_UDP)
		return BUNDLE;
	flow = map_lookup(&flows, &packet->key);
	if (!flow)
		return note_first(packet, marks.sent, now());
	place = once(&flow->place);
	digest = mixed(mixed(digest, place), to);
	marks.passed = mark_of(era, digest, port->link);
	marks.back = far_mark(era, digest);
	reason = judge_flow(skb, packet, flow, &marks, from->mtu + sizeof(struct ethhdr), PROBE);
	if (reason == FAST)
		reason = wrap(skb, config, port, packet, place);
	if (reason == FAST)
		note_fast(flow, packet->direction, packet->length);
	return reason;
}

/* `link` and `flags`: where what is FAST goes. */
INLINE int judge_leaving(struct __sk_buff *skb, const struct port *port, __u32 *link, __u32 *flags)
{
	struct packet packet = {.length = skb->len};
	struct endpoint *from, *to;
	struct config *config;
	__u32 zero = 0;
	__u64 era;
	int reason;

	config = map_lookup(&settings, &zero);
	if (!config || !config->on)
		return OFF;
	era = once(&config->era);
	reason = read_packet(skb, &packet, port, 0);
	if (reason != FAST)
		return reason;
	from = endpoint_at(&packet, 1);
	if (!same_mac(packet.source, port->mac) || !from || from->link != port->link)
		return SENDER;
	if (packet.flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
		map_delete(&flows, &packet.key);
		return BEGINS_OR_ENDS;
	}
	to = endpoint_at(&packet, 0);
	if (to) {
		if (!same_mac(packet.destination, to->mac))
			return ROUTED;
		if (!(era & LEARNS))
			return PAUSED;
		*link = to->link;
		*flags = to->flags;
		return judge_near(skb, era, port, &packet, to);
	}
	if (!config->underlay || !port->number || packet.destination[0] & 1 ||
	    !is_near(&packet, from->prefix))
		return ELSEWHERE;
	if (!(era & LEARNS))
		return PAUSED;
	*link = config->underlay;
	return judge_far(skb, era, config, port, &packet, from);
}

INLINE void add(struct tally *tally, __u32 reason, __u32 bytes)
{
	if (!tally || reason >= sizeof(tally->packets) / sizeof(tally->packets[0]))
		return;
	tally->packets[reason] += 1;
	tally->bytes[reason] += bytes;
}

/* tc ingress of the host's end of a container's link. */
SECTION("tc/leave")
int leave(struct __sk_buff *skb)
{
	__u32 link = skb->ifindex, length = skb->len, target = 0, flags = 0, zero = 0;
	struct port *port = map_lookup(&ports, &link);
	int reason = port ? judge_leaving(skb, port, &target, &flags) : NO_PORT;

	add(map_lookup(&total, &zero), reason, length);
	add(map_lookup(&tallies, &link), reason, length);
	if (reason == DAMAGED)
		return TC_ACT_SHOT;
	if (reason != FAST)
		return TC_ACT_UNSPEC;
	return flags & PEER ? redirect_peer(target, 0) : redirect(target, 0);
}

/* What has come out of Open vSwitch, if anything is to be learned from it: its flow. */
INLINE struct flow *flow_of(struct __sk_buff *skb, struct packet *packet, const struct port *port,
			    __u32 before)
{
	if (read_packet(skb, packet, port, before) != FAST || packet->flags & (TCP_SYN | TCP_FIN | TCP_RST))
		return 0;
	return map_lookup(&flows, &packet->key);
}

/* The generation, if things are learned just now; else 0. */
INLINE __u64 era_of_learning(void)
{
	__u32 zero = 0;
	struct config *config = map_lookup(&settings, &zero);
	__u64 era;

	if (!config || !config->on)
		return 0;
	era = once(&config->era);
	return era & LEARNS ? era : 0;
}

/* tc ingress of the link on which Open vSwitch hands over what is for a container. */
SECTION("tc/arrive")
int arrive(struct __sk_buff *skb)
{
	__u32 link = skb->ifindex;
	struct port *port = map_lookup(&ports, &link);
	__u64 era = era_of_learning(), digest, mark;
	struct packet packet = {.length = skb->len};
	struct endpoint *from, *to;
	struct flow *flow;

	if (!era || !port)
		return TC_ACT_UNSPEC;
	flow = flow_of(skb, &packet, port, 0);
	to = flow ? endpoint_at(&packet, 0) : 0;
	if (!flow || !to || to->link != port->link || !same_mac(packet.destination, to->mac))
		return TC_ACT_UNSPEC;
	digest = digest_of(&packet.key);
	from = endpoint_at(&packet, 1);
	if (from) {
		if (!same_mac(packet.source, from->mac))
			return TC_ACT_UNSPEC;
		mark = mark_of(era, digest, from->link);
	} else {
		digest = mixed(mixed(digest, once(&flow->place)), word_of(packet.source));
		mark = far_mark(era, digest);
	}
	if (*OF(flow, sent, packet.direction) == mark)
		note_passed(flow, packet.direction, mark);
	return TC_ACT_UNSPEC;
}

/* tc ingress of the link on which Open vSwitch hands over what it has put into a tunnel. */
SECTION("tc/depart")
int depart(struct __sk_buff *skb)
{
	struct packet packet = {.length = skb->len - OVERHEAD};
	__u64 era = era_of_learning(), digest, place, to;
	struct tunnel tunnel = {};
	struct endpoint *from;
	struct port *port;
	struct flow *flow;

	if (!era || read_tunnel(skb, &tunnel) != FAST)
		return TC_ACT_UNSPEC;
	port = port_at(tunnel.vni, tunnel.sender);
	if (!port)
		return TC_ACT_UNSPEC;
	flow = flow_of(skb, &packet, port, OVERHEAD);
	from = flow ? endpoint_at(&packet, 1) : 0;
	if (!flow || !from || from->link != port->link || !same_mac(packet.source, port->mac) ||
	    endpoint_at(&packet, 0))
		return TC_ACT_UNSPEC;
	digest = digest_of(&packet.key);
	to = word_of(packet.destination);
	if (*OF(flow, sent, packet.direction) != mark_of(era, mixed(digest, to), port->link))
		return TC_ACT_UNSPEC;
	place = place_of(tunnel.to, tunnel.receiver);
	flow->place = place;
	flow->mac = to;
	digest = mixed(mixed(digest, place), to);
	note_passed(flow, packet.direction, mark_of(era, digest, port->link));
	return TC_ACT_UNSPEC;
}

/* By what is known of the end that sent it. */
INLINE int judge_landed(struct __sk_buff *skb, __u64 era, const struct tunnel *tunnel,
			const struct packet *packet, const struct endpoint *to)
{
	struct flow *flow = map_lookup(&flows, &packet->key);
	__u64 digest, place, mac;
	struct marks marks;
	int reason;

	if (!flow)
		return NEW;
	place = once(&flow->place);
	mac = once(&flow->mac);
	digest = mixed(mixed(digest_of(&packet->key), place), mac);
	marks.sent = marks.passed = far_mark(era, digest);
	marks.back = mark_of(era, digest, to->link);
	if (*OF(flow, passed, !packet->direction) != marks.back)
		return LEARNING;
	if (place != place_of(tunnel->from, tunnel->sender) || mac != word_of(packet->source))
		return STRANGER;
	if (packet->flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
		map_delete(&flows, &packet->key);
		return BEGINS_OR_ENDS;
	}
	if (tunnel->summed)
		return note_sent(flow, packet->direction, marks.sent, now(), OUTER_CHECKSUM);
	if (tunnel->congestion)
		return note_sent(flow, packet->direction, marks.sent, now(), CONGESTION);
	/* skb->encapsulation stays set, by which UDP's own segmentation takes it for a tunnel's. */
	if (skb->gso_size && packet->key.protocol == IPPROTO_UDP)
		return note_sent(flow, packet->direction, marks.sent, now(), BUNDLE);
	reason = judge_flow(skb, packet, flow, &marks, to->mtu + sizeof(struct ethhdr), LAND_PROBE);
	if (reason == FAST)
		reason = unwrap(skb, packet);
	if (reason == FAST)
		note_fast(flow, packet->direction, packet->length);
	return reason;
}

INLINE int judge_landing(struct __sk_buff *skb, __u32 *link, __u32 *flags)
{
	struct packet packet = {.length = skb->len - OVERHEAD};
	struct tunnel tunnel = {};
	struct endpoint *to;
	struct config *config;
	struct port *port;
	__u32 zero = 0;
	__u64 era;
	int reason = read_tunnel(skb, &tunnel);

	if (reason == UNRELATED)
		return reason;
	config = map_lookup(&settings, &zero);
	if (!config || tunnel.to != *(__u32 *)config->address)
		return UNRELATED;
	if (!config->on)
		return OFF;
	era = once(&config->era);
	if (reason != FAST)
		return reason;
	port = port_at(tunnel.vni, tunnel.receiver);
	if (!port)
		return NO_PORT;
	reason = read_packet(skb, &packet, port, OVERHEAD);
	if (reason != FAST)
		return reason;
	to = endpoint_at(&packet, 0);
	if (!to || to->link != port->link)
		return ELSEWHERE;
	if (!same_mac(packet.destination, port->mac))
		return ROUTED;
	if (endpoint_at(&packet, 1))
		return STRANGER;
	if (!(era & LEARNS))
		return PAUSED;
	*link = to->link;
	*flags = to->flags;
	return judge_landed(skb, era, &tunnel, &packet, to);
}

/* tc ingress of the link that bears the address of tunnels. */
SECTION("tc/land")
int land(struct __sk_buff *skb)
{
	__u32 length = skb->len, target = 0, flags = 0, zero = 0;
	int reason = judge_landing(skb, &target, &flags);

	if (reason == UNRELATED)
		return TC_ACT_UNSPEC;
	add(map_lookup(&landed, &zero), reason, length);
	if (reason == DAMAGED)
		return TC_ACT_SHOT;
	if (reason != FAST)
		return TC_ACT_UNSPEC;
	return flags & PEER ? redirect_peer(target, 0) : redirect(target, 0);
}

char programs_license[] SECTION("license") = "Dual BSD/GPL";
char programs_source[] SECTION("source") = SOURCE; /* digest of what this was compiled from */
