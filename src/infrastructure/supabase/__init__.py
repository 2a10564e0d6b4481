"""Supabase's own services: Auth's signing keys, and Realtime."""
