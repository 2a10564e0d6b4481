"""The caller's own money."""
