"""Taking a database over that has the app's tables already: what stands in the way, and the steps, one at a time."""
