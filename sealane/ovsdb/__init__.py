"""RFC 7047: the OVSDB protocol, its values, an asyncio client.

wire -> session -> client; values and operations translate; replica and lock are what a client keeps alive.
"""
