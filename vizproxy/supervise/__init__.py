"""Supervision of the display stack: a pure state machine, one process class, probes, the supervisor."""
