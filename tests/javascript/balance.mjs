// An app that shows a balance by the recipe of docs/realtime.md: after every (re)connection it reads GET /wallet
// once, and of all that it hears it keeps the highest epoch and version.
import { createClient } from '@supabase/supabase-js'
import { obey, options, tell } from './lines.mjs'

const client = createClient(options.url, options.key, { auth: { persistSession: false, autoRefreshToken: false } })
let shown = { epoch: -1, version: -1 }

function keep({ balance, version, epoch }) {
  if (epoch > shown.epoch || (epoch === shown.epoch && version > shown.version)) shown = { balance, version, epoch }
}

async function connect() {
  await client.realtime.setAuth(options.token)
  client
    .channel(options.topic, { config: { private: true } })
    .on('broadcast', { event: 'balance_updated' }, ({ payload }) => {
      keep(payload)
      tell('heard', { payload })
    })
    .subscribe(async (status) => {
      if (status !== 'SUBSCRIBED') return
      const answer = await fetch(`${options.api}/wallet`, { headers: { Authorization: `Bearer ${options.token}` } })
      keep(await answer.json())
      tell('connected', shown)
    })
}

await connect()
await obey({
  disconnect: async () => {
    await client.removeAllChannels()
    await client.realtime.disconnect()
    tell('disconnected')
  },
  connect,
  show: async () => tell('shown', shown),
})
