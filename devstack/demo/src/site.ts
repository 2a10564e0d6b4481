import { type BackendClient, createBackendClient } from '@lingualink/backend-client'
import { createClient, type SupabaseClient } from '@supabase/supabase-js'

/** Somebody to sign in as. */
export interface Sample {
  id: string
  email: string
  full_name: string
  role: string
}

/** What the local system says of itself at `/demo/config.json`. */
export interface SiteConfig {
  supabase_url: string
  publishable_key: string
  password: string
  people: Sample[]
}

/** A profile as everybody sees it: a row of the app's own table, read with the Supabase SDK. */
export interface Person {
  id: string
  full_name: string | null
  username: string | null
}

/** Everything that the page works with. */
export interface Site {
  config: SiteConfig
  supabase: SupabaseClient
  backend: BackendClient
  /** What has to be finished while the session still holds. */
  beforeSignOut: Set<() => Promise<unknown>>
}

/** Reads the configuration and makes both clients. A session belongs to its window, so that two can be two people. */
export async function openSite(): Promise<Site> {
  const answer = await fetch('/demo/config.json')
  if (!answer.ok) throw new Error(`config.json answered ${answer.status}`)
  const config = (await answer.json()) as SiteConfig
  const supabase = createClient(config.supabase_url, config.publishable_key, {
    auth: { storage: window.sessionStorage, persistSession: true, autoRefreshToken: true },
  })
  const backend = createBackendClient({ url: window.location.origin, supabase })
  return { config, supabase, backend, beforeSignOut: new Set() }
}

/** Finish what is under way, then end the session. */
export async function signOut({ supabase, beforeSignOut }: Site): Promise<void> {
  await Promise.all([...beforeSignOut].map((finish) => finish()))
  await supabase.auth.signOut()
}

/** The name to show for somebody. */
export function nameOf(person: Person | undefined, unknown: string): string {
  return person?.full_name || person?.username || unknown
}
