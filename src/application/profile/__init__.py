"""The caller's account."""
