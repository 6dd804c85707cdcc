/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a frame says, and whether it is of a kind that can be fast. */
#pragma once
#include "kernel.h"

#define LONGEST_HEADERS (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))
#define DONT_FRAGMENT 0x4000
#define DNS 53
#define MULTICAST_DNS 5353
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define ECN 0x03 /* RFC 3168 */

struct packet {
	struct flow_key key;
	__u8 *source, *destination; /* MACs */
	__u32 direction;            /* 0: from key.low to key.high */
	__u32 length;               /* bytes, from its Ethernet header on */
	__u32 headers;              /* those up to the payload */
	__u32 flags;                /* TCP's */
	__u32 congestion;           /* ECN of IP's header */
	__u16 hops;                 /* that are left */
	__u16 sum;                  /* IPv4's */
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

/* Of a header whose own is zero. */
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
	packet->hops = ip->ttl;
	packet->sum = ip->check;
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
	packet->hops = ip->hop_limit;
	packet->headers = sizeof(struct ethhdr) + sizeof(*ip);
	return read_transport(packet, &found, ip + 1, end, payload);
}

/* Make so much of the packet readable, where there is so much. */
INLINE void reach(struct __sk_buff *skb, __u32 length)
{
	if (skb->data_end - skb->data < length && skb->data_end - skb->data < skb->len)
		pull(skb, skb->len < length ? skb->len : length);
}

/*
 * FAST when the packet behind so many bytes is of a kind that can be fast; else the reason why it is not.
 * Whose addresses these are is left to be said (belongs_to).
 */
INLINE int read_packet(struct __sk_buff *skb, struct packet *packet, __u32 before)
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
	if (ethernet->h_proto == NETWORK_ORDER(ETH_P_IP))
		return read_ipv4(skb, packet, (void *)(ethernet + 1), end, before);
	if (ethernet->h_proto == NETWORK_ORDER(ETH_P_IPV6))
		return read_ipv6(skb, packet, (void *)(ethernet + 1), end, before);
	return NOT_IP;
}

/* Whether no connection that there was goes on after it. */
INLINE int is_last(const struct packet *packet)
{
	return packet->flags & (TCP_FIN | TCP_RST) || (packet->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* The addresses are those of a network, or of a router, among whose subnets' they are unique. */
INLINE void belongs_to(struct packet *packet, const __u8 *realm)
{
	__builtin_memcpy(packet->key.realm, realm, 16);
}

INLINE __u64 word_of(const __u8 *mac)
{
	const __u16 *part = (const __u16 *)mac;

	return (__u64)part[0] << 32 | (__u64)part[1] << 16 | part[2];
}

INLINE void fill_mac(__u8 *mac, __u64 word)
{
	__u16 *part = (__u16 *)mac;

	part[0] = word >> 32;
	part[1] = word >> 16;
	part[2] = word;
}

/* A hop less, in the packet behind so many bytes; RFC 1624 for the checksum. */
INLINE int take_hop(struct __sk_buff *skb, const struct packet *packet, __u32 before)
{
	__u32 sum = packet->sum + NETWORK_ORDER(0x0100);
	struct {
		__u8 hops, protocol;
		__u16 sum;
	} fresh = {packet->hops - 1, packet->key.protocol, sum + (sum >= 0xffff)};

	before += sizeof(struct ethhdr);
	if (packet->key.family == ETH_P_IPV6)
		return store(skb, before + 7, &fresh.hops, 1, BPF_F_RECOMPUTE_CSUM) ? DAMAGED : FAST;
	return store(skb, before + 8, &fresh, sizeof(fresh), 0) ? DAMAGED : FAST;
}

/* As a router puts it on the receiver's network: with new MACs, and a hop less. */
INLINE int pass_on(struct __sk_buff *skb, const struct packet *packet, const __u8 *destination,
		   const __u8 *source)
{
	__u8 macs[2 * ETH_ALEN];

	__builtin_memcpy(macs, destination, ETH_ALEN);
	__builtin_memcpy(macs + ETH_ALEN, source, ETH_ALEN);
	return store(skb, 0, macs, sizeof(macs), 0) ? DAMAGED : take_hop(skb, packet, 0);
}

/* The sender's, or the receiver's; of IPv4. */
INLINE __u32 address_of(const struct packet *packet, int sender)
{
	const __u64 *low = (const __u64 *)packet->key.low, *high = (const __u64 *)packet->key.high;

	return (!sender == !packet->direction ? high[1] : low[1]) >> 32;
}

INLINE __u16 port_of(const struct packet *packet, int sender)
{
	return !sender == !packet->direction ? packet->key.high_port : packet->key.low_port;
}

/* The key says another address and port, which may change the order of its ends. */
INLINE void readdress(struct packet *packet, int sender, __u32 address, __u16 port)
{
	struct addresses found = {};
	__u32 from = address_of(packet, 1), to = address_of(packet, 0);
	__u16 from_port = port_of(packet, 1), to_port = port_of(packet, 0);

	found.from[1] = (__u64)(sender ? address : from) << 32;
	found.to[1] = (__u64)(sender ? to : address) << 32;
	fill_key(packet, &found, sender ? port : from_port, sender ? to_port : port);
}
