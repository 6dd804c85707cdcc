/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a packet may go past Open vSwitch, and to where.
 *
 * A flow within a network is known by the network and its ends' addresses, one across a router by the router and
 * these: a packet is of a router's when it goes to, or comes from, the MAC that the router has on the network.
 */
#pragma once
#include "nat.h"
#include "tunnel.h"

INLINE struct port *port_at(__u32 vni, __u32 number)
{
	struct locator at = {.vni = vni, .number = number};

	return map_lookup(&locators, &at);
}

/* What a router has on the network, if the MAC is a router's. */
INLINE struct leg *leg_at(__u32 vni, const __u8 *mac)
{
	struct leg_key at = {.vni = vni};

	__builtin_memcpy(at.mac, mac, ETH_ALEN);
	return map_lookup(&legs, &at);
}

INLINE struct endpoint *endpoint_at(const struct packet *packet, int sender)
{
	struct endpoint_key key = {.family = packet->key.family};
	int low = sender ? !packet->direction : packet->direction;

	__builtin_memcpy(key.realm, packet->key.realm, 16);
	if (low)
		__builtin_memcpy(key.address, packet->key.low, 16);
	else
		__builtin_memcpy(key.address, packet->key.high, 16);
	return map_lookup(&endpoints, &key);
}

/* The gateway of the packet's network, where this host has one that the fast path may use. */
INLINE struct endpoint *outside_of(const struct packet *packet)
{
	struct endpoint_key key = {};

	__builtin_memcpy(key.realm, packet->key.realm, 16);
	return map_lookup(&endpoints, &key);
}

/* The route of the packet's router to its receiver. */
INLINE struct subnet *route_of(const struct packet *packet)
{
	struct subnet_key key = {.length = 8 * (sizeof(key) - sizeof(key.length)), .family = packet->key.family};

	__builtin_memcpy(key.realm, packet->key.realm, 16);
	if (packet->direction)
		__builtin_memcpy(key.address, packet->key.low, 16);
	else
		__builtin_memcpy(key.address, packet->key.high, 16);
	return map_lookup(&subnets, &key);
}

/* Where the packet's router sends what is for its receiver, if that is on a network of the router's. */
INLINE struct subnet *subnet_of(const struct packet *packet)
{
	struct subnet *found = route_of(packet);

	return found && found->number ? found : 0;
}

/* As whom the sender goes out to the receiver, if it has a floating IP where the router's route leads. */
INLINE struct floating *outward_of(const struct packet *packet)
{
	struct floating *found = floating_of(packet, 1);
	struct subnet *route = found ? route_of(packet) : 0;

	return route && route->vni == found->vni ? found : 0;
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

/* Where it goes if it is for the outside: to the gateway's MAC, or in answer to what came from there. */
INLINE struct endpoint *way_out(__u64 era, const struct packet *packet, const struct endpoint *from)
{
	struct endpoint *way;
	struct flow *flow;

	if (from->flags & OUTSIDE || is_near(packet, from->prefix))
		return 0;
	way = outside_of(packet);
	if (!way || same_mac(packet->destination, way->mac))
		return way;
	if (!(from->flags & ANSWERS) || packet->destination[0] & 1)
		return 0;
	flow = map_lookup(&flows, &packet->key);
	if (!flow ||
	    *OF(flow, passed, !packet->direction) != mark_of(era, digest_of(&packet->key), way->link))
		return 0;
	return way;
}

/* To a receiver on this host; `routed`: across a router. */
INLINE int judge_near(struct __sk_buff *skb, __u64 era, const struct port *port, const struct packet *packet,
		      const struct endpoint *from, const struct endpoint *to, int routed)
{
	__u64 digest = digest_of(&packet->key), passed = mark_of(era, digest, port->link);
	__u64 sent = routed ? mark_of(era, mixed(digest, packet->hops), port->link) : passed;
	struct marks marks = {sent, passed, mark_of(era, digest, to->link), from->flags & to->flags & UNTRACKED};
	struct flow *flow;
	int reason;

	flow = flow_of(packet, &marks, &reason);
	if (!flow)
		return reason;
	reason = judge_flow(skb, packet, flow, &marks, to->mtu + sizeof(struct ethhdr), PROBE);
	if (reason != FAST)
		return reason;
	note_fast(flow, packet->direction, packet->length);
	if (routed)
		return pass_on(skb, packet, to->mac, to->router);
	if (to->flags & OUTSIDE && !same_mac(packet->destination, to->mac) &&
	    store(skb, 0, to->mac, ETH_ALEN, 0))
		return DAMAGED;
	return FAST;
}

/* Into the tunnel, as Open vSwitch would send it: across a router where `way` is given. */
INLINE int send_far(struct __sk_buff *skb, const struct config *config, const struct port *port,
		    const struct packet *packet, const struct subnet *way, __u64 place, __u64 to)
{
	struct course course = {.place = place};
	int reason;

	if (way) {
		course.vni = way->vni;
		course.sender = way->number;
		__builtin_memcpy(course.source, way->mac, ETH_ALEN);
	} else {
		course.vni = port->vni;
		course.sender = port->number;
		__builtin_memcpy(course.source, packet->source, ETH_ALEN);
	}
	fill_mac(course.destination, to);
	reason = wrap(skb, config, packet, &course);
	return reason == FAST && way ? take_hop(skb, packet, OVERHEAD) : reason;
}

/* To a receiver on another host, perhaps. */
INLINE int judge_far(struct __sk_buff *skb, __u64 era, const struct config *config, const struct port *port,
		     const struct packet *packet, const struct endpoint *from, const struct subnet *way)
{
	__u64 digest = digest_of(&packet->key), to = word_of(packet->destination), place;
	struct marks marks = {.sent = mark_of(era, mixed(digest, way ? packet->hops : to), port->link),
			      .alone = from->flags & (way ? way->flags : UNTRACKED) & UNTRACKED};
	struct flow *flow;
	int reason;

	/* Without the kernel's DECAP_L4_UDP the receiver's stack would take it for a tunnel's (see land). */
	if (skb->gso_size && packet->key.protocol == IPPROTO_UDP)
		return BUNDLE;
	flow = flow_of(packet, &marks, &reason);
	if (!flow)
		return reason;
	place = once(&flow->place);
	if (way)
		to = once(&flow->mac);
	digest = mixed(mixed(digest, place), to);
	marks.passed = mark_of(era, digest, port->link);
	marks.back = far_mark(era, digest);
	reason = judge_flow(skb, packet, flow, &marks, from->mtu + sizeof(struct ethhdr), PROBE);
	if (reason == FAST)
		reason = send_far(skb, config, port, packet, way, place, to);
	if (reason == FAST)
		note_fast(flow, packet->direction, packet->length);
	return reason;
}

/* Where what is FAST goes. */
struct target {
	__u32 link, flags;
};

/* To the MAC of a router. */
INLINE int judge_routed(struct __sk_buff *skb, __u64 era, const struct config *config, const struct port *port,
			struct packet *packet, const struct leg *leg, struct target *target)
{
	struct endpoint *from, *to;
	struct floating *as;
	struct subnet *way;

	belongs_to(packet, leg->realm);
	from = endpoint_at(packet, 1);
	if (!from || from->link != port->link || !same_mac(packet->destination, from->router))
		return ROUTED;
	if (packet->hops < 2)
		return HOPS;
	if (is_last(packet))
		map_delete(&flows, &packet->key);
	if (packet->flags & (TCP_FIN | TCP_RST)) {
		unsettle(packet);
		return BEGINS_OR_ENDS;
	}
	to = endpoint_at(packet, 0);
	if (to) {
		if (!(era & LEARNS))
			return PAUSED;
		target->link = to->link;
		target->flags = to->flags;
		return judge_near(skb, era, port, packet, from, to, 1);
	}
	as = outward_of(packet);
	if (as) {
		if (!(era & LEARNS))
			return PAUSED;
		target->link = as->link;
		target->flags = ENTERS;
		return judge_outward(skb, era, port, packet, as);
	}
	way = config->underlay ? subnet_of(packet) : 0;
	if (!way)
		return ELSEWHERE;
	if (!(era & LEARNS))
		return PAUSED;
	target->link = config->underlay;
	return judge_far(skb, era, config, port, packet, from, way);
}

INLINE int judge_leaving(struct __sk_buff *skb, const struct port *port, struct target *target)
{
	struct packet packet = {.length = skb->len};
	struct endpoint *from, *to, *way;
	struct config *config;
	struct leg *leg;
	__u32 zero = 0;
	__u64 era;
	int reason, direct;

	config = map_lookup(&settings, &zero);
	if (!config || !config->on)
		return OFF;
	era = once(&config->era);
	reason = read_packet(skb, &packet, 0);
	if (reason != FAST)
		return reason;
	belongs_to(&packet, port->network);
	from = endpoint_at(&packet, 1);
	if (!from)
		from = outside_of(&packet);
	if (!same_mac(packet.source, port->mac) || !from || from->link != port->link)
		return SENDER;
	to = endpoint_at(&packet, 0);
	direct = to ? same_mac(packet.destination, to->mac) : is_near(&packet, from->prefix);
	way = to ? 0 : way_out(era, &packet, from);
	leg = direct || way ? 0 : leg_at(port->vni, packet.destination);
	if (leg)
		return judge_routed(skb, era, config, port, &packet, leg, target);
	if (is_last(&packet))
		map_delete(&flows, &packet.key);
	if (packet.flags & (TCP_FIN | TCP_RST))
		return BEGINS_OR_ENDS;
	if (to && !direct)
		return ROUTED;
	if (to && from->flags & OUTSIDE && is_near(&packet, to->prefix))
		return SENDER;
	if (!to)
		to = way;
	if (to) {
		if (!(era & LEARNS))
			return PAUSED;
		target->link = to->link;
		target->flags = to->flags;
		return judge_near(skb, era, port, &packet, from, to, 0);
	}
	if (!config->underlay || !port->number || packet.destination[0] & 1 || !direct)
		return ELSEWHERE;
	if (!(era & LEARNS))
		return PAUSED;
	target->link = config->underlay;
	return judge_far(skb, era, config, port, &packet, from, 0);
}

INLINE int is_peer(__u32 host)
{
	return map_lookup(&peers, &host) != 0;
}

INLINE int is_from(const struct tunnel *tunnel, const struct packet *packet, __u64 place, __u64 mac)
{
	return place == place_of(tunnel->from, tunnel->sender) && mac == word_of(packet->source);
}

/*
 * The first of an UNTRACKED direction, of which nothing is sent back by this host just now: who sent it is as the tunnel
 * says, which is what Open vSwitch goes by as well.  It counts for nothing unless the packet comes out.
 */
INLINE int note_landed(__u64 era, const struct tunnel *tunnel, const struct packet *packet, struct flow *flow)
{
	__u64 place = place_of(tunnel->from, tunnel->sender), mac = word_of(packet->source);
	__u64 mark = far_mark(era, mixed(mixed(digest_of(&packet->key), place), mac));
	struct flow fresh = {.place = place, .mac = mac};

	if (packet->flags & (TCP_FIN | TCP_RST))
		return NEW;
	if (flow) {
		flow->place = place;
		flow->mac = mac;
		return note_sent(flow, packet->direction, mark, now(), NEW);
	}
	*OF(&fresh, sent, packet->direction) = mark;
	*OF(&fresh, sent_at, packet->direction) = now();
	return map_update(&flows, &packet->key, &fresh, BPF_NOEXIST) ? FULL : NEW;
}

/* By what is known of the end that sent it; `routed`: its host has routed it, and its MAC is not to be seen. */
INLINE int judge_landed(struct __sk_buff *skb, __u64 era, const struct tunnel *tunnel,
			const struct packet *packet, const struct endpoint *to, int routed)
{
	struct flow *flow = map_lookup(&flows, &packet->key);
	__u64 digest, place, mac;
	struct marks marks = {};
	int reason, alone;

	alone = to->flags & UNTRACKED && tunnel->sender != tunnel->receiver && is_peer(tunnel->from);
	if (!flow)
		return alone ? note_landed(era, tunnel, packet, 0) : NEW;
	place = once(&flow->place);
	mac = once(&flow->mac);
	digest = mixed(mixed(digest_of(&packet->key), place), mac);
	marks.sent = marks.passed = far_mark(era, digest);
	marks.back = mark_of(era, digest, to->link);
	if (*OF(flow, passed, !packet->direction) != marks.back) {
		if (!alone)
			return LEARNING;
		if (!is_from(tunnel, packet, place, mac))
			return note_landed(era, tunnel, packet, flow);
		marks.alone = 1;
	} else if (routed ? place >> 32 != tunnel->from : !is_from(tunnel, packet, place, mac)) {
		return STRANGER;
	}
	if (is_last(packet)) {
		map_delete(&flows, &packet->key);
		return BEGINS_OR_ENDS;
	}
	if (packet->flags & TCP_SYN)
		return note_sent(flow, packet->direction, marks.sent, now(), BEGINS_OR_ENDS);
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

INLINE int judge_landing(struct __sk_buff *skb, struct target *target)
{
	struct packet packet = {.length = skb->len - OVERHEAD};
	struct tunnel tunnel = {};
	struct leg *leg = 0;
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
	reason = read_packet(skb, &packet, OVERHEAD);
	if (reason != FAST)
		return reason;
	belongs_to(&packet, port->network);
	to = endpoint_at(&packet, 0);
	if (!to || to->link != port->link)
		return ELSEWHERE;
	if (!same_mac(packet.destination, port->mac))
		return ROUTED;
	if (!is_near(&packet, to->prefix))
		leg = leg_at(port->vni, packet.source);
	if (leg) {
		belongs_to(&packet, leg->realm);
		to = endpoint_at(&packet, 0);
		if (!to || to->link != port->link)
			return ELSEWHERE;
		if (leg->number != tunnel.sender || !same_mac(packet.source, to->router))
			return STRANGER;
	}
	if (endpoint_at(&packet, 1))
		return STRANGER;
	if (!(era & LEARNS))
		return PAUSED;
	target->link = to->link;
	target->flags = to->flags;
	return judge_landed(skb, era, &tunnel, &packet, to, leg != 0);
}

/* What comes from the physical network; UNRELATED where it is for no floating IP that is here. */
INLINE int judge_entering(struct __sk_buff *skb, struct target *target)
{
	struct frame4 *frame;
	struct packet packet = {.length = skb->len};
	struct config *config;
	struct public *public;
	struct endpoint *to;
	struct translation *as;
	__u32 zero = 0, address;
	__u64 era, place;
	int reason;

	if (skb->protocol != NETWORK_ORDER(ETH_P_IP) || skb->vlan_present)
		return UNRELATED;
	reach(skb, LONGEST_HEADERS);
	frame = (void *)(long)skb->data;
	if ((void *)(frame + 1) > (void *)(long)skb->data_end)
		return UNRELATED;
	address = frame->ip.daddr;
	public = public_at(skb->ifindex, address);
	config = map_lookup(&settings, &zero);
	if (!public || !config || !same_mac(frame->ethernet.h_dest, public->mac))
		return UNRELATED;
	if (!config->on)
		return OFF;
	era = once(&config->era);
	reason = read_packet(skb, &packet, 0);
	if (reason != FAST)
		return reason;
	place = place_outside(skb->ifindex, (__u8 *)&address);
	if (public->shared) {
		as = translation_at(skb->ifindex, &packet, 0, public);
		if (!as)
			return TRANSLATION;
		if (is_last(&packet))
			unsettle(&packet);
		place = place_shared(as);
	} else {
		readdress(&packet, 0, *(__u32 *)public->fixed, port_of(&packet, 0));
		belongs_to(&packet, public->realm);
	}
	to = endpoint_at(&packet, 0);
	if (!to)
		return ELSEWHERE;
	if (endpoint_at(&packet, 1))
		return STRANGER;
	if (packet.hops < 2)
		return HOPS;
	if (!(era & LEARNS))
		return PAUSED;
	target->link = to->link;
	return judge_inward(skb, era, &packet, to, place);
}
