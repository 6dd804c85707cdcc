/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One address for many: which port Open vSwitch's connection tracking has given to a flow (OVN's `snat`).
 *
 *   leave ── asked: by the address inside ──> the agent ── asks Open vSwitch ──> translations, shared ──> leave, emerge, enter
 *
 * An answer holds while its connection is known to Open vSwitch, for so long no other flow gets its port.  That
 * it is known is seen by `emerge`: what bears the address and port comes out, within KNOWN of when that was seen
 * last.  An answer counts for nothing
 *
 *   - when its question was put before the connection began, or less than SETTLED after that: a SYN may be given
 *     another port than the connection before it;
 *   - once the connection ends, by FIN or RST of either side;
 *   - while nobody vouches that it is the same Open vSwitch that answered (`vouchers`).
 */
#pragma once
#include "flow.h"

/* That it waits for an answer; `begun`: when its connection began, 0 where that is not to be seen. */
INLINE int ask(const struct packet *packet, __u64 begun, int reason)
{
	__u64 time = now();
	struct asked fresh = {.begun = begun ? begun : time, .seen = time, .packets = 1};
	struct asked *there = map_lookup(&asked, &packet->key);

	if (!there)
		return map_update(&asked, &packet->key, &fresh, BPF_NOEXIST) ? FULL : reason;
	if (begun) {
		there->begun = begun;
		there->packets = 0;
	}
	there->seen = time;
	there->packets += 1;
	return reason;
}

/* A connection begins or ends: what was known of its port may not hold for what follows. */
INLINE void unsettle(const struct packet *packet)
{
	struct asked *there = map_lookup(&asked, &packet->key);

	if (there)
		there->begun = packet->flags & (TCP_FIN | TCP_RST) ? ENDED : now();
}

/* The answer for the flow, if there is one that counts. */
INLINE struct translation *translation_of(const struct packet *packet)
{
	__u32 zero = 0;
	__u64 time = now(), begun;
	struct voucher *voucher = map_lookup(&vouchers, &zero);
	struct translation *found = map_lookup(&translations, &packet->key);
	struct asked *there = found ? map_lookup(&asked, &packet->key) : 0;

	if (!voucher || !there || time > once(&voucher->until))
		return 0;
	begun = once(&there->begun);
	if (found->read <= begun || found->read - begun < SETTLED || time - once(&found->known) > KNOWN)
		return 0;
	return found;
}

/* Who has that address and port outside of the link, which is the packet's sender or its receiver; 0: nobody known. */
INLINE struct translation *translation_at(__u32 link, struct packet *packet, int sender, const struct public *public)
{
	__u32 address = address_of(packet, sender), peer = address_of(packet, !sender);
	__u16 port = port_of(packet, sender);
	struct shared_key key = {.link = link, .port = port, .protocol = packet->key.protocol};
	struct translation *found;
	struct inner *inner;

	key.peer_port = port_of(packet, !sender);
	__builtin_memcpy(key.address, &address, 4);
	__builtin_memcpy(key.peer, &peer, 4);
	inner = map_lookup(&shared, &key);
	if (!inner)
		return 0;
	readdress(packet, sender, *(__u32 *)inner->fixed, inner->port);
	belongs_to(packet, public->realm);
	found = translation_of(packet);
	if (!found || found->link != link || *(__u32 *)found->address != address || found->port != port)
		return 0;
	return found;
}
