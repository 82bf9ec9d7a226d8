"""``vizproxy run``: starts a program with a lease on the desktop's framebuffer."""
