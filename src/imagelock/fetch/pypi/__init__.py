"""Python package indexes: the Simple repository API, and metadata without whole wheels."""
