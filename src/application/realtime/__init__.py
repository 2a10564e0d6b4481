"""Telling the app what was committed."""
