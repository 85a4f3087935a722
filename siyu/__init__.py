"""siyu (私域): the open-source operating system for WeChat private-domain commerce."""

__version__ = "0.1.0"
