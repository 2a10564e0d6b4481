import type { Session } from '@supabase/supabase-js'
import { type Connection, joinPrivate } from './connection.js'
import type { EventPayloads } from './generated/events.js'
import type { Supabase } from './supabase.js'

/** The names of the events that the backend sends. */
export type EventName = keyof EventPayloads

/** Whether events can arrive: `live` after every (re)connection, `signed_out` while there is no session. */
export type TopicStatus = 'connecting' | 'live' | 'signed_out'

/** Who listens on the private topic of the signed-in user. */
export interface TopicListener {
  onEvent(name: string, payload: unknown): void
  /** `userId` is null until Supabase has said who is signed in, and while nobody is. */
  onStatus(status: TopicStatus, userId: string | null): void
  /** Something may have been missed: what matters is to be read anew. */
  onDoubt(): void
}

const REJOIN_DELAYS = [1_000, 2_000, 5_000, 10_000]
/** Milliseconds without being live after which everything is built anew, whatever supabase-js is doing about it. */
const WATCHDOG = 15_000
const topics = /* @__PURE__ */ new WeakMap<Supabase, UserTopic>()

/** The topic of a Supabase client's user; all that listen on one client share one connection. */
export function topicOf(supabase: Supabase): UserTopic {
  const topic = topics.get(supabase) ?? new UserTopic(supabase)
  topics.set(supabase, topic)
  return topic
}

/** The private topic `user:<id>` of whoever is signed in, whoever that comes to be: joined while somebody listens. */
export class UserTopic {
  private readonly listeners = new Set<TopicListener>()
  private isStarted = false
  private userId: string | null = null
  private token = ''
  private status: TopicStatus = 'connecting'
  private connection: Connection | null = null
  private failures = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private endAuth: (() => void) | undefined

  constructor(private readonly supabase: Supabase) {}

  /**
   * Listen, beginning with the status.
   *
   * @returns a function that ends it.
   */
  listen(listener: TopicListener): () => void {
    this.listeners.add(listener)
    if (this.isStarted) listener.onStatus(this.status, this.userId)
    else this.start()
    return () => {
      this.listeners.delete(listener)
      // Whoever listens anew at once, as a screen does that takes the place of another, finds the connection as it is.
      setTimeout(() => {
        if (this.isStarted && this.listeners.size === 0) this.stop()
      })
    }
  }

  /** The app is back: from the background, from a tunnel. Connect at once where it is not live. */
  readonly wake = (): void => {
    if (this.userId === null || globalThis.document?.visibilityState === 'hidden') return
    if (this.status !== 'live') this.connect(this.userId)
    this.doubt()
  }

  private start(): void {
    this.isStarted = true
    this.status = 'connecting'
    const { data } = this.supabase.auth.onAuthStateChange((_, session) => this.follow(session))
    this.endAuth = () => data.subscription.unsubscribe()
    globalThis.addEventListener?.('online', this.wake)
    globalThis.document?.addEventListener('visibilitychange', this.wake)
  }

  private stop(): void {
    this.isStarted = false
    this.endAuth?.()
    globalThis.removeEventListener?.('online', this.wake)
    globalThis.document?.removeEventListener('visibilitychange', this.wake)
    this.userId = null
    this.disconnect()
  }

  private follow(session: Session | null): void {
    if (!this.isStarted) return
    const userId = session?.user.id ?? null
    const isNewToken = session !== null && session.access_token !== this.token
    this.token = session?.access_token ?? ''
    if (userId !== null && userId === this.userId) {
      if (isNewToken && this.status === 'live') this.connection?.renew(this.token)
      else if (isNewToken) this.connect(userId)
      return
    }
    this.userId = userId
    this.failures = 0
    this.disconnect()
    this.tellStatus(userId === null ? 'signed_out' : 'connecting')
    if (userId !== null) this.connect(userId)
  }

  private disconnect(): void {
    clearTimeout(this.timer)
    this.connection?.close()
    this.connection = null
  }

  private connect(userId: string): void {
    this.disconnect()
    this.connectIn(WATCHDOG)
    try {
      this.connection = joinPrivate(this.supabase, `user:${userId}`, this.token, {
        onEvent: (name, payload) => {
          for (const listener of [...this.listeners]) listener.onEvent(name, payload)
        },
        onStatus: (status) => this.onChannel(status),
        onSystem: () => this.doubt(),
      })
    } catch {
      // No WebSocket here, say. What is shown is read again and again all the same.
    }
  }

  /** Build the connection anew after a while, but for the case that it is live by then. */
  private connectIn(delay: number): void {
    clearTimeout(this.timer)
    // Many clients that lost their server together do not come back together.
    const jittered = delay * (1 + Math.random() / 5)
    this.timer = setTimeout(() => {
      if (this.userId !== null) this.connect(this.userId)
    }, jittered)
  }

  private onChannel(status: string): void {
    const wasLive = this.status === 'live'
    if (status === 'SUBSCRIBED') {
      this.failures = 0
      clearTimeout(this.timer)
      this.tellStatus('live')
      return
    }
    if (wasLive) this.tellStatus('connecting')
    // supabase-js joins again by itself after an error, but never after the server has closed the channel: as it does
    // when a token expires unrefreshed, or when too much is sent.
    if (status === 'CLOSED') {
      this.connectIn(REJOIN_DELAYS[Math.min(this.failures++, REJOIN_DELAYS.length - 1)] as number)
    } else if (wasLive) {
      this.connectIn(WATCHDOG)
    }
    if (wasLive || status === 'CLOSED') this.doubt()
  }

  private doubt(): void {
    for (const listener of [...this.listeners]) listener.onDoubt()
  }

  private tellStatus(status: TopicStatus): void {
    this.status = status
    for (const listener of [...this.listeners]) listener.onStatus(status, this.userId)
  }
}
