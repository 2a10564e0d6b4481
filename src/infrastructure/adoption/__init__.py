"""What stands in the way of taking a database over that has the app's tables already; it only reads."""
