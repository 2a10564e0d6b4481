import type { BackendClient } from './client.js'
import type { Problem } from './errors.js'
import type { EventPayloads } from './generated/events.js'
import { listen, type TopicStatus } from './topic.js'

/** A balance that is newer than the one before. */
export interface WalletChange {
  /** Whose wallet it is: that of whoever is signed in. */
  userId: string
  /** A decimal string with two to four places. */
  balance: string
  /** The deployment's one currency (ISO 4217). */
  currency: string
  /** How many transactions made the balance. */
  version: number
  /** What changed it; null where the wallet was read anew, after a (re)connection. */
  event: EventPayloads['balance_updated'] | null
}

/** What else a subscriber may want to know. */
export interface WalletSubscriptionOptions {
  /** Whether changes arrive as they happen. */
  onStatus?(status: TopicStatus): void
  /** The wallet could not be read after a (re)connection; it will be tried again. */
  onError?(problem: Problem): void
  /** Ends the subscription, as `cancel` does. */
  signal?: AbortSignal
}

/** A running subscription. */
export interface WalletSubscription {
  /** End it; `onChange` is not called any more. */
  cancel(): void
  /** Read the wallet now: when an app comes to the foreground, say. */
  refresh(): Promise<void>
}

const READ_AGAIN = 10_000

/**
 * Follow the balance of whoever is signed in on the backend's Supabase client.
 *
 * Joins the private topic `user:<id>`, reads the wallet after every (re)connection, and calls `onChange` with each
 * balance that is newer than the last: late and repeated events are dropped by their version. Follows sign-in,
 * sign-out and refreshed tokens by itself.
 */
export function subscribeToWallet(
  backend: BackendClient,
  onChange: (change: WalletChange) => void,
  options: WalletSubscriptionOptions = {},
): WalletSubscription {
  const following = new WalletFollower(backend, onChange, options)
  options.signal?.addEventListener('abort', following.cancel)
  if (options.signal?.aborted) following.cancel()
  return following
}

class WalletFollower implements WalletSubscription {
  private userId: string | null = null
  private version = -1
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly reading = new AbortController()
  private readonly endListening: () => void

  constructor(
    private readonly backend: BackendClient,
    private readonly onChange: (change: WalletChange) => void,
    private readonly options: WalletSubscriptionOptions,
  ) {
    this.endListening = listen(backend.supabase, {
      onEvent: (name, payload) => {
        if (name === 'balance_updated') this.onEvent(payload as EventPayloads['balance_updated'])
      },
      onStatus: (status, userId) => this.onStatus(status, userId),
    })
    // A page that was offline or hidden may hold a dead socket for a while: what is shown need not wait for it.
    globalThis.addEventListener?.('online', this.refresh)
    globalThis.document?.addEventListener('visibilitychange', this.onVisible)
  }

  cancel = (): void => {
    clearTimeout(this.timer)
    this.reading.abort()
    this.endListening()
    globalThis.removeEventListener?.('online', this.refresh)
    globalThis.document?.removeEventListener('visibilitychange', this.onVisible)
  }

  refresh = async (): Promise<void> => {
    clearTimeout(this.timer)
    const { userId } = this
    if (userId === null || this.reading.signal.aborted) return
    const { data, error } = await this.backend.GET('/wallet', { signal: this.reading.signal })
    if (this.reading.signal.aborted || userId !== this.userId) return
    if (data) {
      this.take({ ...data, userId: data.user_id, event: null })
      return
    }
    this.options.onError?.(error)
    clearTimeout(this.timer)
    this.timer = setTimeout(this.refresh, READ_AGAIN)
  }

  private onVisible = (): void => {
    if (globalThis.document.visibilityState === 'visible') void this.refresh()
  }

  private onStatus(status: TopicStatus, userId: string | null): void {
    if (userId !== this.userId) {
      this.userId = userId
      this.version = -1
      clearTimeout(this.timer)
    }
    this.options.onStatus?.(status)
    if (status === 'live') void this.refresh()
  }

  private onEvent(event: EventPayloads['balance_updated']): void {
    this.take({ ...event, userId: event.user_id, event })
  }

  private take({ userId, balance, currency, version, event }: WalletChange): void {
    if (userId !== this.userId || version <= this.version) return
    this.version = version
    this.onChange({ userId, balance, currency, version, event })
  }
}
