"""vizproxy: a GPU desktop for every JupyterHub session."""

__version__ = "0.1.0"
