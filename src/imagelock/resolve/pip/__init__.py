"""Wheels, resolved through resolvelib for a target that is not the host."""
