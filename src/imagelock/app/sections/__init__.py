"""One module a section of the lock: resolver and fetcher joined for one ecosystem."""
