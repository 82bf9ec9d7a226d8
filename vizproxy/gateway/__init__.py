"""The way from the browser to the desktop: who may come in, and the relay of what they send."""
