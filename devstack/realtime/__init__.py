"""Supabase Realtime's Broadcast: websocket protocol, REST sending, and admission by database policies."""
