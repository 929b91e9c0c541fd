"""Plugins for other tools."""
