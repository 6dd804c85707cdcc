"""Clients of OpenStack's API that come from elsewhere, against a lab: `make clients`."""
