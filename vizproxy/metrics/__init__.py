"""Metrics: what is measured of the desktop, and how Prometheus gets it."""
