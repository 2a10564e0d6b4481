"""PostgREST's answers for what an app uses of it, at ``/rest/v1`` of the local Supabase."""
