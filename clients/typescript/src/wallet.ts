import type { BackendClient } from './client.js'
import type { Problem } from './errors.js'
import type { EventPayloads } from './generated/events.js'
import { guarded } from './request.js'
import { Rereading } from './rereading.js'
import { type TopicStatus, topicOf } from './topic.js'

/** A balance that is newer than the one before. */
export interface WalletBalance {
  /** Whose wallet it is: that of whoever is signed in. */
  userId: string
  /** A decimal string with two to four places; see `Money`. */
  balance: string
  /** The deployment's one currency (ISO 4217). */
  currency: string
  /** How many transactions made the balance. */
  version: number
  /** Raised when the database was restored to an earlier time: a higher epoch is newer whatever the version. */
  epoch: number
  /** What changed it; null where the wallet was read. */
  event: EventPayloads['balance_updated'] | null
}

/** Nobody is signed in any more, or somebody else is: what was shown is to be forgotten. */
export interface WalletCleared {
  userId: null
  balance: null
  currency: null
  version: null
  epoch: null
  event: null
}

/** What becomes of the balance. */
export type WalletChange = WalletBalance | WalletCleared

/** What else a subscriber may want to know. */
export interface WalletSubscriptionOptions {
  /** Whether changes arrive as they happen. */
  onStatus?(status: TopicStatus): void
  /** The wallet could not be read; it will be tried again. Null once it could. */
  onError?(problem: Problem | null): void
  /** Ends the subscription, as `cancel` does. */
  signal?: AbortSignal
}

/** A running subscription. */
export interface WalletSubscription {
  /** End it; nothing is called any more. */
  cancel(): void
  /** Connect where there is no connection, and read the wallet now: when an app comes to the foreground, say. */
  refresh(): Promise<void>
}

/** What is known of the wallet of whoever is signed in; a new object with each change. */
export type WalletState = WalletChange & {
  /** Whether changes arrive as they happen. */
  status: TopicStatus
  /** Why the wallet could not be read, until it could. */
  problem: Problem | null
}

const CLEARED: WalletCleared = /* @__PURE__ */ Object.freeze({
  userId: null,
  balance: null,
  currency: null,
  version: null,
  epoch: null,
  event: null,
})

/**
 * Follow the balance of whoever is signed in on the backend's Supabase client.
 *
 * Reads the wallet as soon as a user is known, joins the private topic `user:<id>`, and calls `onChange` with each balance
 * that is newer than the last: late and repeated events are dropped by their epoch and version. Reads again after every
 * (re)connection, wherever an event may have been missed, every minute while live and every half a minute while not.
 * Follows sign-in, sign-out and refreshed tokens by itself.
 */
export function subscribeToWallet(
  backend: BackendClient,
  onChange: (change: WalletChange) => void,
  options: WalletSubscriptionOptions = {},
): WalletSubscription {
  const feed = walletFeed(backend)
  let known = {
    change: CLEARED as WalletChange,
    status: undefined as TopicStatus | undefined,
    problem: null as Problem | null,
  }
  const end = feed.subscribe(() => {
    const before = known
    known = { change: feed.change, status: feed.status, problem: feed.problem }
    if (known.status !== before.status) guarded(() => options.onStatus?.(feed.status))
    if (known.change !== before.change) guarded(() => onChange(feed.change))
    if (known.problem !== before.problem) guarded(() => options.onError?.(feed.problem))
  })
  const cancel = () => {
    options.signal?.removeEventListener('abort', cancel)
    end()
  }
  options.signal?.addEventListener('abort', cancel)
  if (options.signal?.aborted) cancel()
  return { cancel, refresh: feed.refresh }
}

const feeds = /* @__PURE__ */ new WeakMap<BackendClient, WalletFeed>()

/** The one feed of a client; all its subscribers share one connection and one read. */
export function walletFeed(backend: BackendClient): WalletFeed {
  const feed = feeds.get(backend) ?? new WalletFeed(backend)
  feeds.set(backend, feed)
  return feed
}

/** What is known of the wallet of whoever is signed in, for all that ask on one client. */
export class WalletFeed {
  change: WalletChange = CLEARED
  status: TopicStatus = 'connecting'
  problem: Problem | null = null
  private shown: WalletState = { ...CLEARED, status: 'connecting', problem: null }
  private userId: string | null = null
  private readonly listeners = new Set<() => void>()
  private endListening: (() => void) | undefined
  private abort = new AbortController()
  private readonly rereading = new Rereading(
    () => this.read(),
    () => this.status === 'live',
  )

  constructor(private readonly backend: BackendClient) {}

  /**
   * Be called with each change of `change`, `status` or `problem`, and once at first.
   *
   * @returns a function that ends it.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    // A function given twice is called twice, and ends once at a time.
    const own = () => listener()
    this.listeners.add(own)
    if (this.endListening === undefined) this.start()
    void Promise.resolve().then(() => this.listeners.has(own) && own())
    return () => {
      this.listeners.delete(own)
      setTimeout(() => {
        if (this.listeners.size === 0) this.stop()
      })
    }
  }

  /** All three in one object, the same one until something changes. */
  readonly state = (): WalletState => this.shown

  /** Connect where there is no connection, and read now. */
  readonly refresh = async (): Promise<void> => {
    if (this.listeners.size === 0) return
    topicOf(this.backend.supabase).wake()
    await this.rereading.now()
  }

  private start(): void {
    this.endListening = topicOf(this.backend.supabase).listen({
      onEvent: (name, payload) => {
        if (name === 'balance_updated') this.onEvent(payload as EventPayloads['balance_updated'])
      },
      onStatus: (status, userId) => this.onStatus(status, userId),
      onDoubt: () => void this.rereading.now(),
    })
  }

  private stop(): void {
    this.endListening?.()
    this.endListening = undefined
    this.follow(null)
    this.status = 'connecting'
    this.notify()
  }

  private onStatus(status: TopicStatus, userId: string | null): void {
    this.status = status
    if (userId !== this.userId) this.follow(userId)
    else if (status === 'live') void this.rereading.now()
    this.notify()
  }

  /** Forget whoever was signed in, and read the wallet of whoever is. */
  private follow(userId: string | null): void {
    this.userId = userId
    this.change = CLEARED
    this.problem = null
    this.abort.abort()
    this.abort = new AbortController()
    this.rereading.stop()
    if (userId !== null) this.rereading.start()
  }

  private async read(): Promise<boolean> {
    const { userId } = this
    const { data, error } = await this.backend.GET('/wallet', { signal: this.abort.signal })
    if (userId === null || userId !== this.userId) return true
    if (data) this.take(data, null)
    else if (error !== this.problem) {
      this.problem = error
      this.notify()
    }
    return data !== undefined
  }

  private onEvent(event: EventPayloads['balance_updated']): void {
    const { version, epoch } = this.change
    this.take(event, event)
    const isNext = version === null || (epochOf(event) === epoch && event.version <= version + 1)
    if (!isNext) void this.rereading.now()
  }

  private take(wallet: Wallet, event: WalletBalance['event']): void {
    if (wallet.user_id !== this.userId) return
    const { balance, currency, version } = wallet
    const epoch = epochOf(wallet)
    const known = this.change
    const isNews =
      known.userId === null || epoch > known.epoch || (epoch === known.epoch && version > known.version)
    if (!isNews && this.problem === null) return
    if (isNews) this.change = { userId: wallet.user_id, balance, currency, version, epoch, event }
    this.problem = null
    this.notify()
  }

  private notify(): void {
    this.shown = { ...this.change, status: this.status, problem: this.problem }
    for (const listener of [...this.listeners]) guarded(listener)
  }
}

interface Wallet {
  user_id: string
  balance: string
  currency: string
  version: number
}

/** Backends of before there were epochs are in epoch 0. */
function epochOf(wallet: Wallet & { epoch?: number }): number {
  return wallet.epoch ?? 0
}
