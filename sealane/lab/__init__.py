"""Hosts made of namespaces on one machine."""
