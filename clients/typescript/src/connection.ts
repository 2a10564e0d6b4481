import type { RealtimeClient, RealtimeClientOptions } from '@supabase/supabase-js'
import type { Supabase } from './supabase.js'

/** What is told of a private topic. */
export interface TopicHandlers {
  onEvent(name: string, payload: unknown): void
  /** A status of supabase-js: `SUBSCRIBED`, `CLOSED`, `CHANNEL_ERROR`, `TIMED_OUT`. */
  onStatus(status: string): void
  /** The server said something about the channel itself. */
  onSystem(): void
}

/** A private topic that is being joined, or is joined. */
export interface Connection {
  /** Hand the session's new token to the server. */
  renew(token: string): void
  /** Leave it and close its socket; nothing is told any more. */
  close(): void
}

type RealtimeConstructor = new (url: string, options: RealtimeClientOptions) => RealtimeClient

/**
 * Join a private topic on a socket of its own, made as the app's Supabase client makes its one.
 *
 * The app's socket can't be shared: `supabase.channel('user:…')` of the app would be the same channel, either side that
 * left it would leave it for both, and `realtime.disconnect()` or `removeAllChannels()` would end ours for good.
 *
 * The token is always handed in. To ask Auth for it at each of its events would renew a token that lives shortly for
 * ever: asking renews it, and that is an event.
 */
export function joinPrivate(
  supabase: Supabase,
  topic: string,
  token: string,
  handlers: TopicHandlers,
): Connection {
  const { realtime } = supabase
  const Realtime = realtime.constructor as RealtimeConstructor
  const socket = new Realtime(realtime.endPoint.replace(/\/websocket$/, ''), {
    params: { ...realtime.params, apikey: realtime.apiKey },
    timeout: realtime.timeout,
    heartbeatIntervalMs: realtime.heartbeatIntervalMs,
    ...(realtime.transport && { transport: realtime.transport }),
  } as RealtimeClientOptions)
  const channel = socket.channel(topic, { config: { private: true } })
  let isOpen = true
  channel.on('broadcast', { event: '*' }, ({ event, payload }) => {
    if (isOpen) handlers.onEvent(event, payload)
  })
  channel.on('system', {}, () => {
    if (isOpen) handlers.onSystem()
  })
  const failed = () => {
    if (isOpen) handlers.onStatus('CHANNEL_ERROR')
  }
  // Without the token a private channel is refused, and supabase-js asks again only later.
  socket
    .setAuth(token)
    .then(() => {
      if (!isOpen) return
      channel.subscribe((status) => {
        if (isOpen) handlers.onStatus(status)
      })
    })
    .catch(failed)
  return {
    renew: (newToken) => void socket.setAuth(newToken).catch(failed),
    close() {
      isOpen = false
      void channel.unsubscribe().catch(() => {})
      void Promise.resolve(socket.disconnect()).catch(() => {})
    },
  }
}
