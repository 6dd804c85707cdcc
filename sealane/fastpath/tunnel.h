/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tunnels between hosts: to read them, to put a packet into one, and out of it. */
#pragma once
#include "packet.h"

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
#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV6
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif
#define WRAP                                                                                        \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |    \
	 BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

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

/* What a packet's headers are to say when it is in the tunnel. */
struct course {
	__u64 place; /* to which host, and which port there */
	__u32 vni, sender;
	__u8 source[ETH_ALEN], destination[ETH_ALEN];
};

INLINE __u64 place_of(__u32 host, __u32 number)
{
	return (__u64)host << 32 | number;
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

/* As Open vSwitch makes it, but for the checksum over the whole datagram, which IPv4 lets be without. */
INLINE void fill_outer(struct outer *outer, const struct config *config, const struct packet *packet,
		       const struct course *course, __u32 hash)
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
	outer->ip.daddr = course->place >> 32;
	outer->ip.check = checksum(&outer->ip);
	outer->udp.source = NETWORK_ORDER(0x8000 | (hash & 0x3fff)); /* spreads flows, as RFC 8926, 3.3 has it */
	outer->udp.dest = NETWORK_ORDER(GENEVE_PORT);
	outer->udp.len = NETWORK_ORDER(total - sizeof(outer->ip));
	outer->geneve.version_and_length = 2;
	outer->geneve.flags = GENEVE_CRITICAL;
	outer->geneve.protocol = NETWORK_ORDER(ETHERNET_BRIDGING);
	outer->geneve.vni = __builtin_bswap32(course->vni << 8);
	outer->geneve.class = NETWORK_ORDER(OVN_CLASS);
	outer->geneve.type = OVN_TYPE;
	outer->geneve.length = 1;
	outer->geneve.sender = NETWORK_ORDER(course->sender);
	outer->geneve.receiver = NETWORK_ORDER(course->place);
}

/* Into the tunnel.  Unless it is FAST the packet is as it was; DAMAGED can't be, but for want of memory. */
INLINE int wrap(struct __sk_buff *skb, const struct config *config, const struct packet *packet,
		const struct course *course)
{
	struct bpf_fib_lookup route = {};
	struct wrapped headers = {};
	int reason = find_way(skb, config, packet, course->place, &route);

	if (reason != FAST)
		return reason;
	__builtin_memcpy(headers.ethernet.h_dest, route.dmac, ETH_ALEN);
	__builtin_memcpy(headers.ethernet.h_source, route.smac, ETH_ALEN);
	headers.ethernet.h_proto = NETWORK_ORDER(ETH_P_IP);
	__builtin_memcpy(headers.inner.h_dest, course->destination, ETH_ALEN);
	__builtin_memcpy(headers.inner.h_source, course->source, ETH_ALEN);
	headers.inner.h_proto = NETWORK_ORDER(packet->key.family);
	fill_outer(&headers.outer, config, packet, course, hash_of(skb));
	if (adjust_room(skb, OVERHEAD, BPF_ADJ_ROOM_MAC, WRAP))
		return NESTED;
	return store(skb, 0, &headers, sizeof(headers), 0) ? DAMAGED : FAST;
}

/* A kernel before Linux 6.3 can't be told that what is inside is of another protocol than the tunnel is: but first it can
 * make of the tunnel's header one of that protocol. */
INLINE int unwrap_by_force(struct __sk_buff *skb)
{
	__u32 more = sizeof(struct ipv6hdr) - sizeof(struct iphdr);

	if (change_protocol(skb, NETWORK_ORDER(ETH_P_IPV6), 0))
		return OUTER;
	return adjust_room(skb, -(int)(OVERHEAD + more), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) ? DAMAGED : FAST;
}

/* Out of the tunnel; likewise. */
INLINE int unwrap(struct __sk_buff *skb, const struct packet *packet)
{
	__u64 flags = packet->key.family == ETH_P_IPV6 ? BPF_F_ADJ_ROOM_DECAP_L3_IPV6 : 0;
	struct ethhdr ethernet;
	int reason = FAST;

	__builtin_memcpy(ethernet.h_dest, packet->destination, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, packet->source, ETH_ALEN);
	ethernet.h_proto = NETWORK_ORDER(packet->key.family);
	if (adjust_room(skb, -(int)OVERHEAD, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | flags))
		reason = flags ? unwrap_by_force(skb) : OUTER;
	if (reason != FAST)
		return reason;
	return store(skb, 0, &ethernet, sizeof(ethernet), 0) ? DAMAGED : FAST;
}
