"""Build an image, bring it to a platform, look at it there, and take it back when it is not well."""
