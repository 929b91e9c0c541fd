"""Builders: one Protocol, several engines."""
