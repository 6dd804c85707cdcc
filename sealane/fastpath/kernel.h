/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel gives to programs, and the words in which they are written. */
#pragma once
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
static long (*change_protocol)(struct __sk_buff *skb, __be16 protocol, __u64 flags) =
	(void *)BPF_FUNC_skb_change_proto;
static long (*store)(struct __sk_buff *skb, __u32 offset, const void *from, __u32 length, __u64 flags) =
	(void *)BPF_FUNC_skb_store_bytes;
static long (*replace_sum)(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 flags) =
	(void *)BPF_FUNC_l4_csum_replace;
static long (*look_up_route)(struct __sk_buff *skb, struct bpf_fib_lookup *route, __s32 length,
			     __u32 flags) = (void *)BPF_FUNC_fib_lookup;
static long (*change_type)(struct __sk_buff *skb, __u32 type) = (void *)BPF_FUNC_skb_change_type;
static __u32 (*hash_of)(struct __sk_buff *skb) = (void *)BPF_FUNC_get_hash_recalc;
static long (*redirect)(__u32 link, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*redirect_peer)(__u32 link, __u64 flags) = (void *)BPF_FUNC_redirect_peer;

/* What is read once cannot change between two looks at it. */
INLINE __u64 once(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}
