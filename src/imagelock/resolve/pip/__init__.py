"""The pip resolver: requirements and a target in, one file for every package out. No I/O."""
