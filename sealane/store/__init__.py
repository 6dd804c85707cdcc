"""Desired state at rest: the OVSDB database `Sealane`."""
