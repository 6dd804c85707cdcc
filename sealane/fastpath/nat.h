/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floating IPs: OVN's distributed router translates one address into one other, and no port, so that the
 * translation is known without connection tracking; which of them there are is read from br-int.  And what
 * leaves by an address that is shared, whose ports are known by shared.h.
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
#include "shared.h"

#define IN_BY 1 /* BPF_F_INGRESS of a redirection */

struct frame4 {
	struct ethhdr ethernet;
	struct iphdr ip;
} __attribute__((packed));

struct ported4 {
	struct frame4 frame;
	__u16 from, to;
} __attribute__((packed));

/* What the packet's router makes of the sender's address, or of which one it has made the receiver's. */
INLINE struct floating *floating_of(const struct packet *packet, int sender)
{
	struct floating_key key = {.length = 8 * (sizeof(key) - sizeof(key.length))};
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

/* Where an address is shared, by which of its ports, too. */
INLINE __u64 place_shared(const struct translation *as)
{
	return mixed(place_outside(as->link, as->address), as->port);
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
 * As the router does it: new MACs, a hop less, another address of the sender or the receiver, and another port
 * where that is shared.  The sum of TCP or UDP holds all of these; a datagram without one has none afterwards.
 */
INLINE int translate(struct __sk_buff *skb, const struct packet *packet, __u64 destination, const __u8 *source,
		     int sender, __u32 address, __u16 port)
{
	struct ported4 *there = (void *)(long)skb->data, made;
	int udp = packet->key.protocol == IPPROTO_UDP;
	__u32 at = sizeof(struct frame4) + (udp ? __builtin_offsetof(struct udphdr, check)
						: __builtin_offsetof(struct tcphdr, check));
	__u32 mangled = udp ? BPF_F_MARK_MANGLED_0 : 0, before;
	__u16 port_before;

	if ((void *)(there + 1) > (void *)(long)skb->data_end)
		return SHORT;
	made = *there;
	before = sender ? made.frame.ip.saddr : made.frame.ip.daddr;
	port_before = sender ? made.from : made.to;
	fill_mac(made.frame.ethernet.h_dest, destination);
	__builtin_memcpy(made.frame.ethernet.h_source, source, ETH_ALEN);
	if (sender) {
		made.frame.ip.saddr = address;
		made.from = port;
	} else {
		made.frame.ip.daddr = address;
		made.to = port;
	}
	made.frame.ip.ttl -= 1;
	made.frame.ip.check = 0;
	made.frame.ip.check = checksum(&made.frame.ip);
	if (replace_sum(skb, at, before, address, BPF_F_PSEUDO_HDR | 4 | mangled))
		return DAMAGED;
	if (port != port_before && replace_sum(skb, at, port_before, port, 2 | mangled))
		return DAMAGED;
	return store(skb, 0, &made, sizeof(made), 0) ? DAMAGED : FAST;
}

/* To the outside, from a sender whose address is translated here. */
INLINE int judge_outward(struct __sk_buff *skb, __u64 era, const struct port *port, const struct packet *packet,
			 const struct floating *floating)
{
	__u64 digest = digest_of(&packet->key), place = place_outside(floating->link, floating->address), to;
	struct marks marks = {.sent = mark_of(era, mixed(digest, packet->hops), port->link)};
	__u32 address = *(const __u32 *)floating->address;
	__u16 from = port_of(packet, 1);
	struct flow *flow;
	int reason;

	if (floating->shared) {
		struct translation *as;

		if (packet->flags & TCP_SYN)
			return ask(packet, now(), BEGINS_OR_ENDS);
		as = translation_of(packet);
		if (!as || as->link != floating->link || *(__u32 *)as->address != address)
			return ask(packet, 0, TRANSLATION);
		from = as->port;
		place = place_shared(as);
	}
	flow = flow_of(packet, &marks, &reason);
	if (!flow)
		return reason;
	to = once(&flow->mac);
	marks.passed = mark_out(era, digest, place, to, port->link);
	marks.back = mark_in(era, digest, place, floating->link);
	reason = judge_flow(skb, packet, flow, &marks, floating->mtu + sizeof(struct ethhdr), PROBE);
	if (reason != FAST)
		return reason;
	note_fast(flow, packet->direction, packet->length);
	return translate(skb, packet, to, floating->mac, 1, address, from);
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
	return translate(skb, packet, word_of(to->mac), to->router, 0, address_of(packet, 0), port_of(packet, 0));
}

/* Out of Open vSwitch has come what was sent to the outside with this mark, if it was; by that place. */
INLINE int note_emerged(__u64 era, const struct packet *packet, const struct endpoint *from, __u64 place)
{
	__u64 digest = digest_of(&packet->key), to = word_of(packet->destination);
	struct flow *flow = map_lookup(&flows, &packet->key);

	if (!flow || packet->destination[0] & 1 ||
	    *OF(flow, sent, packet->direction) != mark_of(era, mixed(digest, packet->hops + 1), from->link))
		return 0;
	flow->mac = to;
	note_passed(flow, packet->direction, mark_out(era, digest, place, to, from->link));
	return 1;
}

/* Out of Open vSwitch has come, for a receiver that is translated here, what its router has translated. */
INLINE int note_entered(struct flow *flow, __u64 era, const struct packet *packet)
{
	const struct floating *floating = floating_of(packet, 0);
	__u64 digest = digest_of(&packet->key), sent, place;
	struct translation *as;

	if (!floating)
		return 0;
	sent = mark_of(era, mixed(digest, packet->hops + 1), floating->link);
	if (*OF(flow, sent, packet->direction) != sent)
		return 0;
	place = place_outside(floating->link, floating->address);
	if (floating->shared) {
		as = translation_of(packet);
		if (!as || as->link != floating->link)
			return 0;
		place = place_shared(as);
	}
	note_passed(flow, packet->direction, mark_in(era, digest, place, floating->link));
	return 1;
}
