"""Adapters without a database: what use-case tests, and people trying a use-case, run on."""
