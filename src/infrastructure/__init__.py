"""What the ports are made of: Postgres, Supabase, and memory for tests and trials."""
