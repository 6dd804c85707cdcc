"""The fast path: programs at the tc hooks of containers' links, their maps, and how they get into the kernel.

layout.py says what is in the maps and is the only place that does; header.py makes layout.h of it.  The
programs are in programs.c, and what they are made of in headers, each of which includes what it builds on:

    programs.c ── judge.h ──┬── flow.h ────┬── packet.h ── kernel.h ── layout.h
                            └── tunnel.h ──┘

programs.o is programs.c as clang compiled it (`make bpf`); elf.py reads it, bpf.py hands it to the kernel,
cache.py is what the agent uses.
"""
