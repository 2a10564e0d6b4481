import type { EventPayloads } from './generated/events.js'
import type { Supabase } from './supabase.js'

/** The names of the events that the backend sends. */
export type EventName = keyof EventPayloads

/** Whether events can arrive: `live` after every (re)connection, `signed_out` while there is no session. */
export type TopicStatus = 'connecting' | 'live' | 'signed_out'

/** Who listens on the private topic of the signed-in user. */
export interface TopicListener {
  onEvent(name: string, payload: unknown): void
  onStatus(status: TopicStatus, userId: string | null): void
}

type Channel = ReturnType<Supabase['channel']>

const REJOIN_DELAYS = [1_000, 2_000, 5_000, 10_000]
const topics = /* @__PURE__ */ new WeakMap<Supabase, UserTopic>()

/**
 * Listen on the private topic `user:<id>` of whoever is signed in, whoever that comes to be. All listeners of one
 * Supabase client share one channel, which is left with the last of them.
 *
 * @returns a function that ends the listening.
 */
export function listen(supabase: Supabase, listener: TopicListener): () => void {
  const topic = topics.get(supabase) ?? new UserTopic(supabase)
  topics.set(supabase, topic)
  return topic.add(listener)
}

/** The topic of one Supabase client's user: joined while somebody listens, joined anew for each new user. */
class UserTopic {
  private readonly listeners = new Set<TopicListener>()
  private userId: string | null = null
  private status: TopicStatus = 'signed_out'
  private channel: Channel | null = null
  private failures = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private endAuth: (() => void) | undefined
  // Joining and leaving take turns: a topic that is being left can't be joined.
  private work: Promise<unknown> = Promise.resolve()

  constructor(private readonly supabase: Supabase) {}

  add(listener: TopicListener): () => void {
    this.listeners.add(listener)
    if (this.listeners.size === 1) this.start()
    else listener.onStatus(this.status, this.userId)
    return () => {
      if (this.listeners.delete(listener) && this.listeners.size === 0) this.stop()
    }
  }

  private start(): void {
    const { data } = this.supabase.auth.onAuthStateChange((_, session) =>
      this.follow(session?.user.id ?? null),
    )
    this.endAuth = () => data.subscription.unsubscribe()
  }

  private stop(): void {
    this.endAuth?.()
    this.userId = null
    this.status = 'signed_out'
    this.rejoin()
  }

  private follow(userId: string | null): void {
    if (userId === this.userId && (this.channel || userId === null)) {
      if (userId === null) this.tell('signed_out')
      return
    }
    this.userId = userId
    this.tell(userId === null ? 'signed_out' : 'connecting')
    this.rejoin()
  }

  /** Leave what was joined, and join the topic of the user if there is one. */
  private rejoin(): void {
    clearTimeout(this.timer)
    const left = this.channel
    this.channel = null
    this.work = this.work
      .then(async () => {
        if (left) await this.supabase.removeChannel(left)
        if (this.userId !== null && this.channel === null) await this.join(this.userId)
      })
      .catch(() => this.rejoinLater())
  }

  private rejoinLater(): void {
    const delay = REJOIN_DELAYS[Math.min(this.failures++, REJOIN_DELAYS.length - 1)]
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.rejoin(), delay)
  }

  private async join(userId: string): Promise<void> {
    // Without this a channel that is joined before the session is known is refused, and asks again only later.
    await this.supabase.realtime.setAuth()
    if (this.userId !== userId) return
    const channel = this.supabase.channel(`user:${userId}`, { config: { private: true } })
    this.channel = channel
    channel.on('broadcast', { event: '*' }, ({ event, payload }) => {
      if (this.channel === channel)
        for (const listener of [...this.listeners]) listener.onEvent(event, payload)
    })
    channel.subscribe((status) => {
      if (this.channel === channel) this.onChannel(status)
    })
  }

  private onChannel(status: string): void {
    this.tell(status === 'SUBSCRIBED' ? 'live' : 'connecting')
    if (status === 'SUBSCRIBED') this.failures = 0
    // supabase-js joins again by itself after an error, but never after the server has closed the channel, as it
    // does when a token expires unrefreshed.
    if (status === 'CLOSED') this.rejoinLater()
  }

  private tell(status: TopicStatus): void {
    this.status = status
    for (const listener of [...this.listeners]) listener.onStatus(status, this.userId)
  }
}
