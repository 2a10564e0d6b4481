import { createBackendClient } from '@lingualink/backend-client'
import { createClient } from '@supabase/supabase-js'

/** Somebody to sign in as, or to pay. */
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

/** Reads the configuration and makes both clients. A session belongs to its window, so that two can be two people. */
export async function openSite() {
  const answer = await fetch('/demo/config.json')
  if (!answer.ok) throw new Error(`config.json answered ${answer.status}`)
  const config = (await answer.json()) as SiteConfig
  const supabase = createClient(config.supabase_url, config.publishable_key, {
    auth: { storage: window.sessionStorage, persistSession: true, autoRefreshToken: true },
  })
  const backend = createBackendClient({ url: window.location.origin, supabase })
  return { config, supabase, backend }
}

/** Everything that the page works with. */
export type Site = Awaited<ReturnType<typeof openSite>>
