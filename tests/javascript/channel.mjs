// One channel of supabase-js: joins at once, tells every status and every broadcast, sends when it is told to.
import { createClient } from '@supabase/supabase-js'
import { obey, options, tell } from './lines.mjs'

const client = createClient(options.url, options.key, {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: options.vsn ? { vsn: options.vsn } : {},
})

function shown(payload) {
  const bytes = payload instanceof ArrayBuffer ? new Uint8Array(payload) : payload
  return ArrayBuffer.isView(bytes) ? { bytes: Buffer.from(bytes).toString('base64') } : payload
}

if (options.token) await client.realtime.setAuth(options.token)
const channel = client.channel(options.topic, { config: options.config })
channel
  .on('broadcast', { event: '*' }, (message) => tell('broadcast', { message: { ...message, payload: shown(message.payload) } }))
  .on('system', {}, (message) => tell('system', { message }))
  .subscribe((status, error) => tell('status', { status, error: error?.message }))

await obey({
  send: async ({ name, payload }) => {
    tell('sent', { result: await channel.send({ type: 'broadcast', event: name, payload }) })
  },
  httpSend: async ({ name, payload }) => {
    tell('httpSent', { result: await channel.httpSend(name, payload).catch((error) => ({ message: error.message })) })
  },
  setAuth: async ({ token }) => {
    await client.realtime.setAuth(token)
    tell('authSet')
  },
  leave: async () => tell('left', { result: await client.removeChannel(channel) }),
})
