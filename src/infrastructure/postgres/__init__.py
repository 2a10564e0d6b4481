"""The shared database, as the role ``lingualink_api``."""
