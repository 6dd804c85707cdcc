"""Rows <-> OVN's northbound and southbound databases."""
