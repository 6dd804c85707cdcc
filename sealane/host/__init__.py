"""The host itself: kernel and local OVS. No decisions."""
