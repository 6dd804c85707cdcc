/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is remembered of a flow, and by whom it may be used.
 *
 * A flow is fast in one direction when packets of both have come out of Open vSwitch since the
 * generation began, and one of this direction within LEASE.  To keep that so, and its entry in connection
 * tracking alive, one packet each PROBE goes the slow way.  Between two that are UNTRACKED Open vSwitch judges each
 * packet by itself: there a direction does not wait for the other one.
 *
 * Marks say who may use an entry, since memory of deleted entries is given to others at once: a mark
 * holds the generation, the sender's link and a digest of the key, and is written and read in one piece.
 */
#pragma once
#include "packet.h"

#define FAR 0x80000000 /* in a mark, where links have their number, which never has this bit */

/* Of one direction: what it bears when it was sent to Open vSwitch, has come out, and the other one then. */
struct marks {
	__u64 sent, passed, back;
	int alone; /* whatever became of the other one */
};

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

/*
 * A SYN, or the answer to one.  What follows a SYN goes to Open vSwitch as well, as after a PROBE: only then
 * its connection tracking knows that the connection stands, and keeps it for hours instead of seconds.
 */
INLINE int note_begin(const struct packet *packet, const struct marks *marks)
{
	struct flow *flow = map_lookup(&flows, &packet->key);
	__u64 time = packet->flags & TCP_ACK || marks->alone ? now() : 0, mark = marks->sent;

	if (flow)
		note_sent(flow, packet->direction, mark, time, NEW);
	else
		note_first(packet, mark, time);
	return BEGINS_OR_ENDS;
}

/* The entry by which to judge; 0 where there is none, or the packet begins a connection: `reason` says it. */
INLINE struct flow *flow_of(const struct packet *packet, const struct marks *marks, int *reason)
{
	struct flow *flow;

	if (packet->flags & TCP_SYN) {
		*reason = note_begin(packet, marks);
		return 0;
	}
	flow = map_lookup(&flows, &packet->key);
	if (!flow)
		*reason = note_first(packet, marks->sent, now());
	return flow;
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

/* By what the entry says: FAST, or why the packet goes to Open vSwitch, and that it was sent there. */
INLINE int judge_flow(struct __sk_buff *skb, const struct packet *packet, struct flow *flow,
		      const struct marks *marks, __u32 longest, __u64 probe)
{
	__u32 direction = packet->direction;
	__u64 time = now();
	__u64 since_sent = time - *OF(flow, sent_at, direction);

	if (*OF(flow, sent, direction) != marks->sent)
		return note_sent(flow, direction, marks->sent, time, NEW);
	if (*OF(flow, passed, direction) != marks->passed ||
	    (!marks->alone && *OF(flow, passed, !direction) != marks->back))
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
