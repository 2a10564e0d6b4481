/** What a Realtime server would do, in one process: topics, and who is joined to them. */
export class FakeRealtimeServer {
  private isUp = true
  private readonly joined = new Set<FakeChannel>()
  /** Channels that join again once the server is back, as those of supabase-js do. */
  private readonly waiting = new Set<FakeChannel>()

  /** The class that `supabase.realtime` is of; each new one is a connection to this server. */
  client(): object {
    const server = this
    return new (class FakeRealtimeClient {
      readonly endPoint = 'ws://fake/realtime/v1/websocket'
      readonly apiKey = 'fake'
      readonly params = {}
      readonly timeout = 10_000
      readonly heartbeatIntervalMs = 25_000
      private readonly own: FakeChannel[] = []

      channel(topic: string): FakeChannel {
        const channel = new FakeChannel(server, topic)
        this.own.push(channel)
        return channel
      }

      async setAuth(): Promise<void> {}

      async disconnect(): Promise<void> {
        for (const channel of this.own) server.leave(channel)
      }
    })()
  }

  join(channel: FakeChannel): void {
    const place = this.isUp ? this.joined : this.waiting
    place.add(channel)
    channel.tell(this.isUp ? 'SUBSCRIBED' : 'CHANNEL_ERROR')
  }

  leave(channel: FakeChannel): void {
    this.joined.delete(channel)
    this.waiting.delete(channel)
  }

  /** Send an event to whoever is joined to the topic. */
  broadcast(topic: string, event: string, payload: object): void {
    for (const channel of this.joined) if (channel.topic === topic) channel.hear(event, payload)
  }

  /** Go away, or come back. */
  turn(isUp: boolean): void {
    this.isUp = isUp
    const moved = [...(isUp ? this.waiting : this.joined)]
    this.waiting.clear()
    this.joined.clear()
    for (const channel of moved) this.join(channel)
  }
}

type Listener = (message: { event: string; payload: object }) => void

class FakeChannel {
  private readonly listeners: Listener[] = []
  private onStatus: ((status: string) => void) | undefined

  constructor(
    private readonly server: FakeRealtimeServer,
    readonly topic: string,
  ) {}

  on(type: string, _filter: object, listener: Listener): this {
    if (type === 'broadcast') this.listeners.push(listener)
    return this
  }

  subscribe(onStatus: (status: string) => void): this {
    this.onStatus = onStatus
    this.server.join(this)
    return this
  }

  async unsubscribe(): Promise<'ok'> {
    this.server.leave(this)
    return 'ok'
  }

  tell(status: string): void {
    this.onStatus?.(status)
  }

  hear(event: string, payload: object): void {
    for (const listener of this.listeners) listener({ event, payload })
  }
}
