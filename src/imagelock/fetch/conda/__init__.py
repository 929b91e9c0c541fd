"""Conda channels: their indexes in the store, the solver over them, metadata in packages."""
