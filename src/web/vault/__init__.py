"""The protected actions."""
