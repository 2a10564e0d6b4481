"""Supabase Auth as its clients and a backend's SQL see it."""
