import type { SupabaseClient } from '@supabase/supabase-js'

/** What this package uses of a supabase-js client; any client, with or without a `Database` type, fits. */
export type Supabase = Pick<SupabaseClient, 'auth' | 'realtime'> & {
  // A method, so that the tables of any Database fit.
  from(table: string): unknown
}
