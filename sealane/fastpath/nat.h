/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floating IPs: OVN's distributed router translates one address into one other, and no port, so that the
 * translation is known without connection tracking; which of them there are is read from br-int.
 *
 *   container ══ slh ── leave ──┬─ hit, translated ──────────────────────────────> slp ── emerge ─> outside
 *                               └─ miss ─> Open vSwitch ─> slp ── emerge ─> outside
 *   outside ─> slp ── enter ──┬─ hit, translated ───────────────────────────────> slh ══ container
 *                             └─ miss ─> Open vSwitch ─> sls ── arrive ─> slh ══ container
 *
 * A flow is known by the router and the address inside.  `leave` and `emerge` do for what goes out what
 * `leave` and `depart` do for other hosts: the station outside to which the router sends is learned from the
 * frame.  `enter` makes no entry: whoever is outside could fill the table.
 */
#pragma once
#include "flow.h"

#define IN_BY 1 /* BPF_F_INGRESS of a redirection */

struct frame4 {
	struct ethhdr ethernet;
	struct iphdr ip;
} __attribute__((packed));

/* The sender's, or the receiver's; of IPv4. */
INLINE __u32 address_of(const struct packet *packet, int sender)
{
	const __u64 *low = (const __u64 *)packet->key.low, *high = (const __u64 *)packet->key.high;

	return (!sender == !packet->direction ? high[1] : low[1]) >> 32;
}

/* The key says another address, which may change the order of its ends. */
INLINE void readdress(struct packet *packet, int sender, __u32 address)
{
	struct flow_key *key = &packet->key;
	struct addresses found = {};
	__u32 from = address_of(packet, 1), to = address_of(packet, 0);
	__u16 from_port = packet->direction ? key->high_port : key->low_port;
	__u16 to_port = packet->direction ? key->low_port : key->high_port;

	found.from[1] = (__u64)(sender ? address : from) << 32;
	found.to[1] = (__u64)(sender ? to : address) << 32;
	fill_key(packet, &found, from_port, to_port);
}

/* What the packet's router makes of the sender's address, or of which one it has made the receiver's. */
INLINE struct floating *floating_of(const struct packet *packet, int sender)
{
	struct floating_key key = {};
	__u32 address = address_of(packet, sender);

	if (packet->key.family != ETH_P_IP)
		return 0;
	__builtin_memcpy(key.realm, packet->key.realm, 16);
	__builtin_memcpy(key.fixed, &address, 4);
	return map_lookup(&floating, &key);
}

INLINE struct public *public_at(__u32 link, __u32 address)
{
	struct public_key key = {.link = link};

	__builtin_memcpy(key.address, &address, 4);
	return map_lookup(&public, &key);
}

/* By which link and as whom; no place of a tunnel's has the bit FAR. */
INLINE __u64 place_outside(__u32 link, const __u8 *address)
{
	return (__u64)*(const __u32 *)address << 32 | FAR | link;
}

/* Of what has come in by the link for the address, and of what has gone out by it to a MAC. */
INLINE __u64 mark_in(__u64 era, __u64 digest, __u64 place, __u32 link)
{
	return mark_of(era, mixed(digest, place), link);
}

INLINE __u64 mark_out(__u64 era, __u64 digest, __u64 place, __u64 to, __u32 link)
{
	return mark_of(era, mixed(mixed(digest, place), to), link);
}

/*
 * As the router does it: new MACs, a hop less, another address of the sender or the receiver.  The sum of
 * TCP or UDP holds the addresses, too; a datagram without one has none afterwards.
 */
INLINE int translate(struct __sk_buff *skb, const struct packet *packet, __u64 destination, const __u8 *source,
		     int sender, __u32 address)
{
	struct frame4 *there = (void *)(long)skb->data, made;
	int udp = packet->key.protocol == IPPROTO_UDP;
	__u32 at = sizeof(made) + (udp ? __builtin_offsetof(struct udphdr, check)
				       : __builtin_offsetof(struct tcphdr, check));
	__u32 before;

	if ((void *)(there + 1) > (void *)(long)skb->data_end)
		return SHORT;
	made = *there;
	before = sender ? made.ip.saddr : made.ip.daddr;
	fill_mac(made.ethernet.h_dest, destination);
	__builtin_memcpy(made.ethernet.h_source, source, ETH_ALEN);
	if (sender)
		made.ip.saddr = address;
	else
		made.ip.daddr = address;
	made.ip.ttl -= 1;
	made.ip.check = 0;
	made.ip.check = checksum(&made.ip);
	if (replace_sum(skb, at, before, address, BPF_F_PSEUDO_HDR | 4 | (udp ? BPF_F_MARK_MANGLED_0 : 0)))
		return DAMAGED;
	return store(skb, 0, &made, sizeof(made), 0) ? DAMAGED : FAST;
}

/* To the outside, from a sender who has a floating IP here. */
INLINE int judge_outward(struct __sk_buff *skb, __u64 era, const struct port *port, const struct packet *packet,
			 const struct floating *floating)
{
	__u64 digest = digest_of(&packet->key), place = place_outside(floating->link, floating->address), to;
	struct marks marks = {.sent = mark_of(era, mixed(digest, packet->hops), port->link)};
	struct flow *flow;
	int reason;

	if (packet->flags & TCP_SYN)
		return note_begin(packet, &marks);
	flow = map_lookup(&flows, &packet->key);
	if (!flow)
		return note_first(packet, marks.sent, now());
	to = once(&flow->mac);
	marks.passed = mark_out(era, digest, place, to, port->link);
	marks.back = mark_in(era, digest, place, floating->link);
	reason = judge_flow(skb, packet, flow, &marks, floating->mtu + sizeof(struct ethhdr), PROBE);
	if (reason != FAST)
		return reason;
	note_fast(flow, packet->direction, packet->length);
	return translate(skb, packet, to, floating->mac, 1, *(const __u32 *)floating->address);
}

/* From the outside, to a receiver here; only what its own packets have made is known. */
INLINE int judge_inward(struct __sk_buff *skb, __u64 era, const struct packet *packet, const struct endpoint *to,
			__u64 place)
{
	__u64 digest = digest_of(&packet->key);
	struct flow *flow = map_lookup(&flows, &packet->key);
	struct marks marks = {};
	int reason;

	if (!flow)
		return NEW;
	marks.sent = mark_of(era, mixed(digest, packet->hops), skb->ifindex);
	marks.passed = mark_in(era, digest, place, skb->ifindex);
	marks.back = mark_out(era, digest, place, once(&flow->mac), to->link);
	if (*OF(flow, passed, !packet->direction) != marks.back)
		return LEARNING;
	if (is_last(packet)) {
		map_delete(&flows, &packet->key);
		return BEGINS_OR_ENDS;
	}
	if (packet->flags & TCP_SYN)
		return note_sent(flow, packet->direction, marks.sent, now(), BEGINS_OR_ENDS);
	reason = judge_flow(skb, packet, flow, &marks, to->mtu + sizeof(struct ethhdr), PROBE);
	if (reason != FAST)
		return reason;
	note_fast(flow, packet->direction, packet->length);
	return translate(skb, packet, word_of(to->mac), to->router, 0, address_of(packet, 0));
}

/* Out of Open vSwitch has come what was sent to the outside with this mark. */
INLINE void note_emerged(struct __sk_buff *skb, __u64 era, const struct packet *packet, const struct endpoint *from,
			 __u32 address)
{
	__u64 digest = digest_of(&packet->key), to = word_of(packet->destination), place;
	struct flow *flow = map_lookup(&flows, &packet->key);

	if (!flow || packet->destination[0] & 1 ||
	    *OF(flow, sent, packet->direction) != mark_of(era, mixed(digest, packet->hops + 1), from->link))
		return;
	place = place_outside(skb->ifindex, (const __u8 *)&address);
	flow->mac = to;
	note_passed(flow, packet->direction, mark_out(era, digest, place, to, from->link));
}

/* Out of Open vSwitch has come, for a receiver with a floating IP, what its router has translated. */
INLINE int note_entered(struct flow *flow, __u64 era, const struct packet *packet)
{
	const struct floating *floating = floating_of(packet, 0);
	__u64 digest = digest_of(&packet->key), sent;

	if (!floating)
		return 0;
	sent = mark_of(era, mixed(digest, packet->hops + 1), floating->link);
	if (*OF(flow, sent, packet->direction) != sent)
		return 0;
	note_passed(flow, packet->direction,
		    mark_in(era, digest, place_outside(floating->link, floating->address), floating->link));
	return 1;
}
