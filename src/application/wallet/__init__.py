"""Moving money, and reading what moved."""
