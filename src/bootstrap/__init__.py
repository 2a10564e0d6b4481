"""Puts the parts together: settings, adapters, use-cases, the app, the relay, the commands."""
