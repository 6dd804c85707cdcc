"""The CNI door (https://www.cni.dev/docs/spec/), behind the program sealane/shims/cni.py."""
