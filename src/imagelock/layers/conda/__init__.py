"""Conda packages as entries of a layer."""

from __future__ import annotations
