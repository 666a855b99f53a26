"""`coordsidecar doctor`: each thing that it says, made to be so on real servers and kernels."""
