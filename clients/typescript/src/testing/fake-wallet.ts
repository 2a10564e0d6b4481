import { type BackendClient, createBackendClient } from '../client.js'
import type { BackendProblem, ProblemCode } from '../errors.js'
import type { TransactionKind } from '../generated/api.js'
import { ROUTES } from '../generated/fixtures.js'
import { IDEMPOTENCY_KEY } from '../idempotency.js'
import { Money } from '../money.js'
import type { Supabase } from '../supabase.js'
import { FakeRealtimeServer } from './fake-realtime.js'
import { answerFixture, jsonResponse, problemFixture, problemResponse, type RouteName } from './fixtures.js'

/** What {@link fakeWallet} takes. */
export interface FakeWalletOptions {
  userId?: string
  /** A decimal string; `0.00` by default. */
  balance?: string
  /** `USD` by default. */
  currency?: string
}

/** A backend and a Supabase in one process, with one wallet that moves. Nothing goes over a network. */
export interface FakeWallet {
  /** A real client of this package; give it to the app under test. */
  readonly backend: BackendClient
  readonly supabase: Supabase
  readonly userId: string
  readonly balance: string
  /** Commit a transaction: the balance changes, and whoever is live hears of it. */
  move(kind: TransactionKind, amount: string): void
  /** Answer the next request of a route with a problem. */
  refuse(route: RouteName, code: ProblemCode, changes?: Partial<BackendProblem>): void
  /** Cut the network, and Realtime with it. */
  goOffline(): void
  goOnline(): void
  signOut(): void
  signIn(): void
}

type OnAuth = (event: string, session: object | null) => void

/**
 * A wallet for the tests of an app. Payments and withdrawals move it as the backend would, once for each key; every other
 * route answers its fixture.
 *
 * ```ts
 * const wallet = fakeWallet({ balance: '10.00' })
 * render(<App backend={wallet.backend} />)
 * wallet.move('earning', '2.50') // the app shows 12.50
 * ```
 */
export function fakeWallet(options: FakeWalletOptions = {}): FakeWallet {
  return new Fake(options)
}

class Fake implements FakeWallet {
  readonly backend: BackendClient
  readonly supabase: Supabase
  readonly userId: string
  private readonly currency: string
  private amount: Money
  private version = 0
  private isOnline = true
  private session: object | null
  private readonly onAuth = new Set<OnAuth>()
  private readonly realtime = new FakeRealtimeServer()
  private readonly refusals = new Map<string, Response[]>()
  private readonly answered = new Map<string, Response>()
  private readonly rows: object[] = []

  constructor({
    userId = '7b0f5a4e-0000-4000-8000-000000000001',
    balance = '0.00',
    currency = 'USD',
  }: FakeWalletOptions) {
    this.userId = userId
    this.currency = currency
    this.amount = Money.of('0')
    this.session = this.newSession()
    this.supabase = this.fakeSupabase()
    this.backend = createBackendClient({
      url: 'https://backend.test',
      supabase: this.supabase,
      fetch: (request) => this.answer(request),
      retry: { attempts: 1 },
    })
    if (Money.of(balance).compare('0') !== 0) this.move('opening', balance)
  }

  get balance(): string {
    return this.amount.toString()
  }

  move(kind: TransactionKind, amount: string): void {
    this.amount = this.amount.plus(amount)
    this.version += 1
    const { userId: user_id, balance, currency, version } = this
    const id = `7b0f5a4e-0000-4000-9000-${String(version).padStart(12, '0')}`
    const now = new Date().toISOString()
    const made = { id, user_id, kind, amount, balance_after: balance, version, created_at: now }
    this.rows.unshift({ ...answerFixture('POST /wallet/transfers').transaction, ...made })
    const told = {
      event_id: id,
      transaction_id: id,
      user_id,
      kind,
      amount,
      balance,
      currency,
      version,
      epoch: 1,
      occurred_at: now,
    }
    if (this.isOnline) this.realtime.broadcast(`user:${user_id}`, 'balance_updated', told)
  }

  refuse(route: RouteName, code: ProblemCode, changes: Partial<BackendProblem> = {}): void {
    const waiting = this.refusals.get(route) ?? []
    this.refusals.set(route, [...waiting, problemResponse(problemFixture(code, changes))])
  }

  goOffline(): void {
    this.isOnline = false
    this.realtime.turn(false)
  }

  goOnline(): void {
    this.isOnline = true
    this.realtime.turn(true)
  }

  signOut(): void {
    this.session = null
    this.tellAuth('SIGNED_OUT')
  }

  signIn(): void {
    this.session = this.newSession()
    this.tellAuth('SIGNED_IN')
  }

  private newSession(): object {
    return { access_token: 'a-token-of-a-test', user: { id: this.userId } }
  }

  private tellAuth(event: string): void {
    for (const listener of [...this.onAuth]) listener(event, this.session)
  }

  private fakeSupabase(): Supabase {
    const auth = {
      getSession: async () => ({ data: { session: this.session }, error: null }),
      refreshSession: async () => ({ data: { session: this.session }, error: null }),
      onAuthStateChange: (listener: OnAuth) => {
        this.onAuth.add(listener)
        void Promise.resolve().then(() => listener('INITIAL_SESSION', this.session))
        return { data: { subscription: { unsubscribe: () => this.onAuth.delete(listener) } } }
      },
    }
    return { auth, realtime: this.realtime.client(), from: () => emptyTable() } as unknown as Supabase
  }

  private async answer(request: Request): Promise<Response> {
    if (!this.isOnline) throw new TypeError('offline, as a test says')
    // Older React Native has no URL that could tell.
    const path = request.url.replace(/^\w+:\/\/[^/]+/, '').replace(/\?.*/, '')
    const route = routeOf(request.method, path)
    const refusal = route && this.refusals.get(route)?.shift()
    if (refusal) return refusal
    if (route === undefined) return problemResponse(problemFixture('not_found', { status: 404 }))
    if (this.session === null && !path.startsWith('/health/'))
      return problemResponse(problemFixture('missing_token'))
    const key = request.headers.get(IDEMPOTENCY_KEY)
    const earlier = key === null ? undefined : this.answered.get(key)
    const response = earlier ?? (await this.carryOut(route, request))
    if (key !== null) this.answered.set(key, response)
    return response.clone()
  }

  private async carryOut(route: RouteName, request: Request): Promise<Response> {
    const { userId: user_id, currency } = this
    const money = () => ({ balance: this.balance, version: this.version })
    switch (route) {
      case 'GET /wallet':
        return jsonResponse(200, { user_id, currency, epoch: 1, ...money() })
      case 'GET /profile':
        return jsonResponse(200, { ...answerFixture(route), id: user_id, currency, balance: this.balance })
      case 'GET /wallet/transactions':
        return jsonResponse(200, { items: this.rows, next_cursor: null })
      case 'POST /wallet/transfers':
      case 'POST /wallet/withdrawals': {
        const { amount } = (await request.json()) as { amount: string }
        if (this.amount.compare(amount) < 0) return problemResponse(problemFixture('insufficient_funds'))
        const kind = route === 'POST /wallet/transfers' ? 'transfer_out' : 'withdrawal'
        this.move(kind, Money.of(amount).negated().toString())
        return jsonResponse(201, { ...answerFixture(route), transaction: this.rows[0], ...money() })
      }
      default:
        return jsonResponse(ROUTES[route].status, ROUTES[route].body)
    }
  }
}

function routeOf(method: string, path: string): RouteName | undefined {
  return (Object.keys(ROUTES) as RouteName[]).find((route) => {
    const pattern = route.replace(/\{\w+\}/g, '[^/]+')
    return new RegExp(`^${pattern}$`).test(`${method} ${path}`)
  })
}

/** A table of Supabase without rows, however it is asked. */
function emptyTable(): object {
  const answer = Promise.resolve({ data: [], error: null })
  const query: object = new Proxy(answer, {
    get: (target, name) => {
      const own = Reflect.get(target, name)
      return typeof own === 'function' ? own.bind(target) : () => query
    },
  })
  return query
}
