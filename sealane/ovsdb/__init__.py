"""RFC 7047: the OVSDB protocol, its values, an asyncio client."""
