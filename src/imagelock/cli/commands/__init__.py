"""One module a command: arguments to a use-case, its result to the report."""
