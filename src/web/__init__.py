"""HTTP: routes that decode, call one use-case, and answer."""
