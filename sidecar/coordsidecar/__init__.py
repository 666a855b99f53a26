"""coordsidecar makes any command active-passive."""

__version__ = "0.1.0"
