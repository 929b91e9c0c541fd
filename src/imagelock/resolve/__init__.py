"""One resolver each for base, apt, conda, python and pip; none knows another."""
