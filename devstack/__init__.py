"""The local stand-in for Supabase: what `make run` and the system tests run against. It never ships."""
