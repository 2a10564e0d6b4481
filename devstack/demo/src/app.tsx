import type { Session } from '@supabase/supabase-js'
import { useEffect, useState } from 'preact/hooks'
import { Home } from './home'
import { Skeleton } from './parts'
import { SignIn } from './sign-in'
import type { Site } from './site'
import { Speaking } from './words'

/** Signed out: the form. Signed in: the account, for as long as the session lasts. */
export function App({ site }: { site: Site }) {
  const [session, setSession] = useState<Session | null | undefined>()
  useEffect(() => {
    const { data } = site.supabase.auth.onAuthStateChange((_, changed) => setSession(changed))
    return () => data.subscription.unsubscribe()
  }, [site])
  return (
    <Speaking>
      {session === undefined && <Skeleton rows={3} />}
      {session === null && <SignIn site={site} />}
      {session && <Home key={session.user.id} site={site} me={session.user.id} />}
    </Speaking>
  )
}
