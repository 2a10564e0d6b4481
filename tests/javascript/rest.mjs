// A query of supabase-js, told as the calls that build it: [["from", "posts"], ["select", "*"], ...].
import { createClient } from '@supabase/supabase-js'
import { obey, options, tell } from './lines.mjs'

function clientOf(token) {
  return createClient(options.url, options.key, {
    ...(token ? { accessToken: async () => token } : {}),
    ...(token ? {} : { auth: { persistSession: false, autoRefreshToken: false } }),
  })
}

await obey({
  run: async ({ token, steps }) => {
    let query = clientOf(token)
    for (const [name, ...given] of steps) query = query[name](...given)
    const { data, error, count, status } = await query
    tell('ran', { data, error, count, status })
  },
})
