"""The use-cases, wired from the stages."""
