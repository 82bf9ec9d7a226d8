"""The broker: several apps share one framebuffer."""
