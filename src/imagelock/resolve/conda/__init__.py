"""conda environments, solved through py-rattler."""
