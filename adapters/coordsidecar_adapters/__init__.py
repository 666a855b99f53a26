"""The stores that coordsidecar brings along, one module each. Only the chosen one is imported."""
