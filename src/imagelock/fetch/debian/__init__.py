"""Debian archives: signed indexes, fetched, verified and kept by hash."""
