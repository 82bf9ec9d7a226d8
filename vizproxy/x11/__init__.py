"""The daemon's own X11 client: one thread owns the connection, everything else awaits it."""
