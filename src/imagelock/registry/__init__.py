"""OCI distribution client and credentials."""
