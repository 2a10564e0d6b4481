"""Adapters: how the ports of the application meet PostgreSQL, Supabase and the clock."""
