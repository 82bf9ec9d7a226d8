"""The check-up: what is well with a machine, what is not, and what to do about it."""
