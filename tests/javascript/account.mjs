// The account functions of supabase-js, one per command.
import { createClient } from '@supabase/supabase-js'
import { obey, options, tell } from './lines.mjs'

const client = createClient(options.url, options.key, {
  auth: { persistSession: false, autoRefreshToken: false },
})

function outcome(event, { data, error }) {
  const refused = error && { status: error.status, code: error.code, message: error.message, name: error.name }
  tell(event, { data, error: refused })
}

await obey({
  signUp: async (given) => outcome('signUp', await client.auth.signUp(given)),
  signIn: async (given) => outcome('signIn', await client.auth.signInWithPassword(given)),
  signInAnonymously: async () => outcome('signInAnonymously', await client.auth.signInAnonymously()),
  refresh: async (given) =>
    outcome('refresh', await client.auth.refreshSession(given.refresh_token ? given : undefined)),
  getUser: async () => outcome('getUser', await client.auth.getUser()),
  getClaims: async () => outcome('getClaims', await client.auth.getClaims()),
  updateUser: async (given) => outcome('updateUser', await client.auth.updateUser(given)),
  signOut: async (given) => outcome('signOut', { data: null, ...(await client.auth.signOut(given)) }),
})
