import type { BackendClient, CallAnswer, CallInit, PathOf } from './client.js'
import { isOutcomeUnknown, localProblem, type Problem } from './errors.js'
import { IDEMPOTENCY_KEY, newIdempotencyKey } from './idempotency.js'
import { type CallOptions, Limit } from './request.js'

/** The routes that move money by a key. */
export type PaymentPath = Extract<
  PathOf<'post'>,
  '/wallet/transfers' | '/wallet/withdrawals' | '/vault/users/{user_id}/transactions'
>

/** What a payment is: its body, and the parameters of its path. */
export type PaymentDraft<Path extends PaymentPath> = Pick<CallInit<'post', Path>, 'body' | 'params'>

type Awaitable<Value> = Value | Promise<Value>

/** Where a payment outlives the app until it is decided: `localStorage`, AsyncStorage, or a wrapper of another. */
export interface PaymentStorage {
  getItem(name: string): Awaitable<string | null>
  setItem(name: string, value: string): Awaitable<unknown>
  removeItem(name: string): Awaitable<unknown>
}

/** What {@link paymentAttempt} takes. */
export interface PaymentAttemptOptions<Path extends PaymentPath> {
  backend: BackendClient
  path: Path
  storage: PaymentStorage
  /** Tells attempts on one path apart that are open at the same time; each user has attempts of their own anyway. */
  name?: string | undefined
}

/** One draft with one key, for as long as its outcome is not known. */
export interface PaymentAttempt<Path extends PaymentPath> {
  /**
   * Send a draft: it takes and answers what `backend.POST` does. The same draft goes with the same key until its answer
   * is definite, over retries, reloads and restarts; a changed draft is another payment, with a key of its own. While a
   * draft is under way it is not sent a second time. Never rejects.
   */
  submit(init: CallInit<'post', Path>): Promise<CallAnswer<'post', Path>>
  /**
   * The draft of the signed-in user whose outcome is not known, or null. Submit it again to learn the outcome, before
   * another is submitted in its place.
   *
   * @throws what the storage throws.
   */
  pending(): Promise<PaymentDraft<Path> | null>
  /**
   * Give the pending draft up, whatever became of it.
   *
   * @throws what the storage throws.
   */
  forget(): Promise<void>
}

/** What is stored: the draft in canonical form, and its key. */
interface Stored {
  draft: string
  key: string
}

// The answers that decide a key (docs/adr/0004): with any other one the key is as it was before.
const DECIDED = new Set([404, 409, 422])
const PREPARATION = 10_000

/**
 * Pay exactly once, whatever happens on the way.
 *
 * ```ts
 * const payment = paymentAttempt({ backend, path: '/wallet/transfers', storage: localStorage })
 * const { data, error } = await payment.submit({ body: { recipient_id, amount: '12.50' } })
 * if (error && isOutcomeUnknown(error)) say('We do not know yet whether it was paid. Try again: nothing is paid twice.')
 * ```
 */
export function paymentAttempt<Path extends PaymentPath>(
  options: PaymentAttemptOptions<Path>,
): PaymentAttempt<Path> {
  return new StoredAttempt(options)
}

class StoredAttempt<Path extends PaymentPath> implements PaymentAttempt<Path> {
  private readonly underWay = new Map<string, Promise<CallAnswer<'post', Path>>>()
  /** Keys that are decided, should the storage not have let them go. */
  private readonly spent = new Set<string>()

  constructor(private readonly options: PaymentAttemptOptions<Path>) {}

  submit = async (init: CallInit<'post', Path>): Promise<CallAnswer<'post', Path>> => {
    const draft = canonical({ body: init.body, path: pathOf(init) })
    const limit = new Limit(PREPARATION, (init as CallOptions).signal)
    try {
      const slot = await limit.enforce(this.slot())
      // Somebody else may have signed in since: their payment is another one.
      const place = `${slot} ${draft}`
      const running = this.underWay.get(place)
      if (running) return await running
      const run = this.send(slot, draft, init, limit).finally(() => this.underWay.delete(place))
      this.underWay.set(place, run)
      return await run
    } catch (cause) {
      return notSent(cause)
    } finally {
      limit.end()
    }
  }

  pending = async (): Promise<PaymentDraft<Path> | null> => {
    const stored = await this.read(await this.slot())
    if (stored === null) return null
    const { body, path } = JSON.parse(stored.draft)
    return (path === undefined ? { body } : { body, params: { path } }) as unknown as PaymentDraft<Path>
  }

  forget = async (): Promise<void> => {
    await this.options.storage.removeItem(await this.slot())
  }

  private async send(
    slot: string,
    draft: string,
    init: CallInit<'post', Path>,
    limit: Limit,
  ): Promise<CallAnswer<'post', Path>> {
    const { backend, path, storage } = this.options
    let attempt: { key: string; isOpen: boolean }
    try {
      attempt = await limit.enforce(this.prepare(slot, draft))
    } catch (cause) {
      return notSent(cause)
    }
    const { key, isOpen } = attempt
    const params = { ...init.params, header: { [IDEMPOTENCY_KEY]: key } }
    const post = backend.POST as unknown as (path: Path, init: object) => Promise<CallAnswer<'post', Path>>
    const answer = await post(path, { ...init, params })
    if (isDecided(answer.error as Problem | undefined, isOpen)) {
      this.spent.add(key)
      try {
        if ((await storage.getItem(slot))?.includes(key)) await storage.removeItem(slot)
      } catch {
        // It stays in the storage: after a restart the same draft is answered as it was now, and moves nothing.
      }
    }
    return answer
  }

  /** The draft's key, stored before anything is sent; `isOpen` where it was sent before. */
  private async prepare(slot: string, draft: string): Promise<{ key: string; isOpen: boolean }> {
    const stored = await this.read(slot)
    if (stored?.draft === draft) return { key: stored.key, isOpen: true }
    const key = newIdempotencyKey()
    await this.options.storage.setItem(slot, JSON.stringify({ draft, key } satisfies Stored))
    return { key, isOpen: false }
  }

  private async read(slot: string): Promise<Stored | null> {
    const text = await this.options.storage.getItem(slot)
    try {
      const stored = JSON.parse(text ?? 'null') as Partial<Stored> | null
      if (typeof stored?.draft !== 'string' || typeof stored.key !== 'string') return null
      return this.spent.has(stored.key) ? null : (stored as Stored)
    } catch {
      return null
    }
  }

  private async slot(): Promise<string> {
    const { data } = await this.options.backend.supabase.auth.getSession()
    return ['lingualink', this.options.path, this.options.name, data.session?.user.id]
      .filter(Boolean)
      .join(' ')
  }
}

function notSent<Path extends PaymentPath>(cause: unknown): CallAnswer<'post', Path> {
  const error = localProblem('not_sent', 'The payment could not be remembered, and was not sent.', cause)
  return { error, response: Response.error() } as unknown as CallAnswer<'post', Path>
}

/** Whether nothing is left to be learned of the key: it was used up, or never left this device unanswered. */
function isDecided(error: Problem | undefined, wasOpen: boolean): boolean {
  if (error === undefined) return true
  return !isOutcomeUnknown(error) && (DECIDED.has(error.status) || !wasOpen)
}

function pathOf(init: object): object | undefined {
  return (init as { params?: { path?: object } }).params?.path
}

/** JSON in which equal drafts are equal: members sorted, and null the same as nothing, as the backend sees it. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([, member]) => member !== null)
            .sort(([one], [other]) => (one < other ? -1 : 1)),
        )
      : part,
  )
}
