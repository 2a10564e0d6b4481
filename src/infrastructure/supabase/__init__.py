"""What we ask of Supabase: who is signed in, and what the app is told."""
