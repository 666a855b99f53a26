"""Makes a folder with coordsidecar and a Python of its own, for images that have none."""
