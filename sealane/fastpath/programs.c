/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Established flows between two containers of one network, or of two of one router, past Open vSwitch.
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
 * and to the outside, by the namespace that is its network's gateway on this host, which is a port like a
 * container's, but for every address that nobody of the network has:
 *
 *   container eth0 ══ slh ── leave ──> gw0 │ the kernel's conntrack │ up0 ══ host
 *   container eth0 <── leave ── slg ══ gw0 │                        │ up0 ══ host
 *
 * and by a floating IP of its own, or by its router's address, by the physical network (nat.h, shared.h).
 *
 * `leave` sees what a container sends, `arrive` what Open vSwitch has let through to one, `depart` what it
 * has let through to another host, `land` what comes from the underlay, `emerge` what Open vSwitch has sent to
 * a physical network, `enter` what comes from there.  They drop nothing, and change only
 * what they hand over: all else goes the way it would go without them.
 *
 * For each end on another host its flow remembers where Open vSwitch sends its packets: the host, the port's
 * number and MAC.  Only what comes from there is taken for that end's.
 */
#include "judge.h"

INLINE void add(struct tally *tally, __u32 reason, __u32 bytes)
{
	if (!tally || reason >= sizeof(tally->packets) / sizeof(tally->packets[0]))
		return;
	tally->packets[reason] += 1;
	tally->bytes[reason] += bytes;
}

/* A receiver's own end has to be told that the packet is for it, whose MAC the sender's link has not; Linux 6.16
 * sees to that itself. */
INLINE int go(struct __sk_buff *skb, int reason, const struct target *target)
{
	if (reason == DAMAGED)
		return TC_ACT_SHOT;
	if (reason != FAST)
		return TC_ACT_UNSPEC;
	if (target->flags & ENTERS) {
		skb->mark = HANDED;
		return redirect(target->link, IN_BY);
	}
	if (!(target->flags & PEER))
		return redirect(target->link, 0);
	change_type(skb, THIS_HOST);
	return redirect_peer(target->link, 0);
}

/* tc ingress of the host's end of a container's link. */
SECTION("tc/leave")
int leave(struct __sk_buff *skb)
{
	__u32 link = skb->ifindex, length = skb->len, zero = 0;
	struct port *port = map_lookup(&ports, &link);
	struct target target = {};
	int reason = port ? judge_leaving(skb, port, &target) : NO_PORT;

	add(map_lookup(&total, &zero), reason, length);
	add(map_lookup(&tallies, &link), reason, length);
	return go(skb, reason, &target);
}

/* Whether anything is to be learned from what has come out of Open vSwitch. */
INLINE int tells(struct __sk_buff *skb, struct packet *packet, __u32 before)
{
	return read_packet(skb, packet, before) == FAST && !(packet->flags & (TCP_FIN | TCP_RST));
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
	__u64 era = era_of_learning(), digest, sent, passed;
	struct packet packet = {.length = skb->len};
	struct endpoint *from, *to, *way;
	struct flow *flow;
	struct leg *leg;

	if (!era || !port || !tells(skb, &packet, 0))
		return TC_ACT_UNSPEC;
	leg = leg_at(port->vni, packet.source);
	belongs_to(&packet, leg ? leg->realm : port->network);
	flow = map_lookup(&flows, &packet.key);
	if (!flow)
		return TC_ACT_UNSPEC;
	way = outside_of(&packet);
	to = endpoint_at(&packet, 0);
	if (!to)
		to = way;
	if (!to || to->link != port->link || !same_mac(packet.destination, to->mac) ||
	    (leg && !same_mac(packet.source, to->router)))
		return TC_ACT_UNSPEC;
	digest = digest_of(&packet.key);
	from = endpoint_at(&packet, 1);
	if (!from && way && same_mac(packet.source, way->mac))
		from = way;
	if (from) {
		if (!leg && !same_mac(packet.source, from->mac))
			return TC_ACT_UNSPEC;
		passed = mark_of(era, digest, from->link);
		sent = leg ? mark_of(era, mixed(digest, packet.hops + 1), from->link) : passed;
	} else if (leg && note_entered(flow, era, &packet)) {
		return TC_ACT_UNSPEC;
	} else {
		digest = mixed(digest, once(&flow->place));
		digest = mixed(digest, leg ? once(&flow->mac) : word_of(packet.source));
		sent = passed = far_mark(era, digest);
	}
	if (*OF(flow, sent, packet.direction) == sent)
		note_passed(flow, packet.direction, passed);
	return TC_ACT_UNSPEC;
}

/* The sender of what has been put into a tunnel, if it is one of ours. */
INLINE struct endpoint *departed(struct packet *packet, const struct tunnel *tunnel, int *routed)
{
	struct port *port = port_at(tunnel->vni, tunnel->sender);
	struct endpoint *from;
	struct subnet *way;
	struct leg *leg;

	*routed = !port;
	if (port) {
		belongs_to(packet, port->network);
		from = endpoint_at(packet, 1);
		return from && from->link == port->link && same_mac(packet->source, port->mac) ? from : 0;
	}
	leg = leg_at(tunnel->vni, packet->source);
	if (!leg || leg->number != tunnel->sender)
		return 0;
	belongs_to(packet, leg->realm);
	way = subnet_of(packet);
	if (!way || way->vni != tunnel->vni || way->number != tunnel->sender || !same_mac(packet->source, way->mac))
		return 0;
	return endpoint_at(packet, 1);
}

/* tc ingress of the link on which Open vSwitch hands over what it has put into a tunnel. */
SECTION("tc/depart")
int depart(struct __sk_buff *skb)
{
	struct packet packet = {.length = skb->len - OVERHEAD};
	__u64 era = era_of_learning(), digest, place, to;
	struct tunnel tunnel = {};
	struct endpoint *from;
	struct flow *flow;
	int routed;

	if (!era || read_tunnel(skb, &tunnel) != FAST || !tells(skb, &packet, OVERHEAD))
		return TC_ACT_UNSPEC;
	from = departed(&packet, &tunnel, &routed);
	flow = from ? map_lookup(&flows, &packet.key) : 0;
	if (!from || !flow || endpoint_at(&packet, 0))
		return TC_ACT_UNSPEC;
	digest = digest_of(&packet.key);
	to = word_of(packet.destination);
	if (*OF(flow, sent, packet.direction) !=
	    mark_of(era, mixed(digest, routed ? packet.hops + 1 : to), from->link))
		return TC_ACT_UNSPEC;
	place = place_of(tunnel.to, tunnel.receiver);
	flow->place = place;
	flow->mac = to;
	digest = mixed(mixed(digest, place), to);
	note_passed(flow, packet.direction, mark_of(era, digest, from->link));
	return TC_ACT_UNSPEC;
}

/* tc ingress of the link that bears the address of tunnels. */
SECTION("tc/land")
int land(struct __sk_buff *skb)
{
	__u32 length = skb->len, zero = 0;
	struct target target = {};
	int reason = judge_landing(skb, &target);

	if (reason == UNRELATED)
		return TC_ACT_UNSPEC;
	add(map_lookup(&landed, &zero), reason, length);
	return go(skb, reason, &target);
}

/* tc ingress of a link to a physical network, where comes by what Open vSwitch has sent there. */
SECTION("tc/emerge")
int emerge(struct __sk_buff *skb)
{
	struct packet packet = {.length = skb->len};
	struct translation *as = 0;
	struct endpoint *from;
	struct public *public;
	__u32 address;
	__u64 era, place;

	if (skb->mark == HANDED) { /* which nothing can have that comes out of another namespace */
		skb->mark = 0;
		return TC_ACT_UNSPEC;
	}
	era = era_of_learning();
	if (!era || !tells(skb, &packet, 0) || packet.key.family != ETH_P_IP)
		return TC_ACT_UNSPEC;
	address = address_of(&packet, 1);
	public = public_at(skb->ifindex, address);
	if (!public || !same_mac(packet.source, public->mac))
		return TC_ACT_UNSPEC;
	place = place_outside(skb->ifindex, (__u8 *)&address);
	if (public->shared) {
		as = translation_at(skb->ifindex, &packet, 1, public);
		if (!as)
			return TC_ACT_UNSPEC;
		place = place_shared(as);
	} else {
		readdress(&packet, 1, *(__u32 *)public->fixed, port_of(&packet, 1));
		belongs_to(&packet, public->realm);
	}
	from = endpoint_at(&packet, 1);
	if (from && !endpoint_at(&packet, 0) && note_emerged(era, &packet, from, place) && as)
		as->known = now();
	return TC_ACT_UNSPEC;
}

/* tc egress of that link, where leaves it what is for Open vSwitch. */
SECTION("tc/enter")
int enter(struct __sk_buff *skb)
{
	__u32 length = skb->len, zero = 0;
	struct target target = {};
	int reason = judge_entering(skb, &target);

	if (reason == UNRELATED)
		return TC_ACT_UNSPEC;
	add(map_lookup(&landed, &zero), reason, length);
	return go(skb, reason, &target);
}

char programs_license[] SECTION("license") = "Dual BSD/GPL";
char programs_source[] SECTION("source") = SOURCE; /* digest of what this was compiled from */
