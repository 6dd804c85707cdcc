"""The fast path: programs at the tc hooks of containers' links, their maps, and how they get into the kernel.

layout.py says what is in the maps and is the only place that does; header.py makes layout.h of it, which
programs.c includes.  programs.o is programs.c as clang compiled it (`make bpf`); elf.py reads it, bpf.py
hands it to the kernel, cache.py is what the agent uses.
"""
