"""What crosses the wire: streams, round trips, datagrams, connections, on each arm beside its peers."""
