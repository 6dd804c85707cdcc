"""The command `sealane`."""
