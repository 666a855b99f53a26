"""Whatever reads bytes from outside, given bytes that nobody should send."""
