"""The outside: HTTP, the store, and the archives of each ecosystem."""
