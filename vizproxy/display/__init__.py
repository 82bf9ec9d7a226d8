"""The display stack: what to start for a rendering plan, and how."""
