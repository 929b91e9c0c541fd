"""Assemble, encode, decode, diff, staleness and tag of a lock."""
