"""Use-cases over ports: what LinguaLink does, without saying on what it runs."""
