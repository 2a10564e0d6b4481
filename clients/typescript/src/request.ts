import { isOutcomeUnknown, LOST_BEFORE, type LocalProblem, localProblem } from './errors.js'
import { IDEMPOTENCY_KEY, newIdempotencyKey } from './idempotency.js'
import type { Supabase } from './supabase.js'

/** How often the client tries, and how long it waits in between. Times are milliseconds. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  attempts: number
  /** The pause before the first retry is at most this; each further one at most twice the one before. */
  baseDelay: number
  /** No pause is longer; where the server asks for a longer one the answer is handed over instead. */
  maxDelay: number
  /** An attempt that takes longer counts as lost. */
  attemptTimeout: number
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  baseDelay: 250,
  maxDelay: 8_000,
  attemptTimeout: 10_000,
}

/** Milliseconds until a request has ended, with its retries, its pauses and what Supabase Auth takes. */
export const DEFAULT_TIMEOUT = 30_000

/** A retry that is about to happen. */
export interface Retry {
  /** Which attempt failed: 1, 2, … */
  attempt: number
  /** Milliseconds until the next. */
  delay: number
  /** Why; a `code` and a `status` as in a problem document. */
  problem: { code: string; status: number }
}

/** What every call takes besides its parameters and its body. */
export interface CallOptions {
  /** Milliseconds until the request has ended, whatever happens; `timeout` of the client by default. */
  timeout?: number | undefined
  /** Changes to the client's policy for this request; `false`: a single attempt. */
  retry?: Partial<RetryPolicy> | false | undefined
  /** Ends the request; it is answered with `aborted`. */
  signal?: AbortSignal | null | undefined
  /** Told before the pause that precedes each retry. */
  onRetry?: ((retry: Retry) => void) | undefined
}

/** What openapi-fetch makes of a call. */
export interface Result {
  data?: unknown
  error?: unknown
  response: Response
}

type Fetch = (request: Request, init?: RequestInit) => Promise<Response>

/** What a request needs to know of its client. */
export interface Sender {
  supabase: Supabase
  fetch: Fetch
  timeout: number
  retry: RetryPolicy
}

/** A complete answer: its body has arrived, so that a connection lost in the middle counts as lost. */
interface Answer {
  response: Response
  problem: { code: string; status: number } | undefined
}

/** Thrown through openapi-fetch, which has no other way for what is no response of the backend. */
class Failure {
  constructor(
    readonly problem: LocalProblem,
    readonly response: Response = Response.error(),
  ) {}

  get result(): Result {
    return { error: this.problem, response: this.response }
  }
}

// Readiness is told in JSON whatever the status is: an answer, and no reason to ask again at once.
const REPORTS = /\/health\/[a-z]+$/
const RETRIED_STATUSES = new Set([429, 502, 503, 504])
// Who may do it is decided before a key is looked at: these answers say nothing about an attempt before them.
const SILENT_ABOUT_EARLIER = new Set([401, 403, 429])

/**
 * Carry a request out: `call` makes it with openapi-fetch, on the `fetch` that it is given. That one sends the
 * session's current access token, tries again after 429, 502, 503, 504 and lost connections, and refreshes an expired
 * token once. Never rejects, and ends within the timeout whatever the platform, Auth or the network do.
 *
 * Every request that passes through must be idempotent: GET, PUT and DELETE are, a POST is by its key.
 */
export async function perform(
  sender: Sender,
  options: CallOptions,
  call: (fetch: (request: Request) => Promise<Response>) => Promise<Result>,
): Promise<Result> {
  const timeout = options.timeout ?? sender.timeout
  const limit = new Limit(timeout, options.signal)
  let sent = false
  try {
    return await limit.enforce(
      call((request) => {
        const keyed = request.method !== 'POST' || request.headers.has(IDEMPOTENCY_KEY)
        if (!keyed) request.headers.set(IDEMPOTENCY_KEY, newIdempotencyKey())
        sent = true
        return new Attempts(sender, options, limit, request).run()
      }),
    )
  } catch (thrown) {
    if (thrown instanceof Failure) return thrown.result
    if (options.signal?.aborted) return new Failure(aborted(options.signal)).result
    if (limit.signal.aborted) {
      const detail = `The backend did not answer within ${timeout} milliseconds.`
      return new Failure(localProblem('network_error', detail, thrown)).result
    }
    const problem = sent
      ? localProblem('unexpected_answer', 'The answer could not be read.', thrown)
      : localProblem('not_sent', 'The request could not be made.', thrown)
    return new Failure(problem).result
  } finally {
    limit.end()
  }
}

/** The attempts of one request. */
class Attempts {
  private readonly policy: RetryPolicy
  private readonly deadline: number
  private refreshed = false
  /** An earlier attempt may have been carried out. */
  private lost = false

  constructor(
    private readonly sender: Sender,
    private readonly options: CallOptions,
    private readonly limit: Limit,
    private readonly request: Request,
  ) {
    this.policy = { ...sender.retry, ...(options.retry === false ? { attempts: 1 } : options.retry) }
    this.deadline = limit.deadline
  }

  async run(): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.once()
      const { problem } = outcome
      if (this.limit.signal.aborted) return this.handOver(outcome)
      if (problem?.code === 'expired_token' && !this.refreshed) {
        this.refreshed = true
        if (await this.refresh()) continue
      }
      const delay = this.delayAfter(attempt, outcome)
      if (delay === undefined || problem === undefined) return this.handOver(outcome)
      this.lost ||= isOutcomeUnknown(problem)
      guarded(() => this.options.onRetry?.({ attempt, delay, problem }))
      await this.limit.pause(delay)
    }
  }

  private async once(): Promise<Answer | Failure> {
    const limit = new Limit(this.policy.attemptTimeout, this.limit.signal)
    try {
      const sent = this.request.clone()
      await limit.enforce(this.authorize(sent))
      const answering = this.sender.fetch(sent, { signal: limit.signal })
      return await limit.enforce(answering.then((response) => this.read(response)))
    } catch (cause) {
      return new Failure(localProblem('network_error', 'The backend did not answer.', cause))
    } finally {
      limit.end()
    }
  }

  /** Put the current token on the request. */
  private async authorize(request: Request): Promise<void> {
    if (request.headers.has('Authorization')) return
    const { data, error } = await this.sender.supabase.auth.getSession()
    // Where Supabase can't be asked for a fresh token, the request would be refused for a passing fault.
    if (error?.name === 'AuthRetryableFetchError') throw error
    if (data.session) request.headers.set('Authorization', `Bearer ${data.session.access_token}`)
  }

  /** Renew the session; false where there is nothing to renew it with. */
  private async refresh(): Promise<boolean> {
    const limit = new Limit(this.policy.attemptTimeout, this.limit.signal)
    try {
      const { error } = await limit.enforce(this.sender.supabase.auth.refreshSession())
      return error === null
    } catch {
      return false
    } finally {
      limit.end()
    }
  }

  private async read(response: Response): Promise<Answer> {
    const text = await response.text()
    const headers = new Headers(response.headers)
    headers.delete('Content-Encoding')
    headers.delete('Content-Length')
    const { status, statusText } = response
    const answer = (problem?: Answer['problem'], body = text): Answer => {
      const whole = new Response(body === '' ? null : body, { status, statusText, headers })
      return { response: whole, problem }
    }
    const type = headers.get('Content-Type')?.toLowerCase() ?? ''
    const json = type.includes('json') ? parsedObject(text) : undefined
    const isDocument = type.startsWith('application/json') && json !== undefined
    if (response.ok) {
      const bodiless = status === 204 || this.request.method === 'HEAD'
      const accept = this.request.headers.get('Accept')?.toLowerCase()
      if (bodiless || isDocument || (accept && type.startsWith(accept))) return answer()
    } else if (isDocument && REPORTS.test(this.request.url)) {
      return answer()
    } else if (type.startsWith('application/problem+json') && typeof json?.code === 'string') {
      const leavesOpen = this.lost && SILENT_ABOUT_EARLIER.has(status)
      const body = leavesOpen ? JSON.stringify({ ...json, [LOST_BEFORE]: true }) : text
      return answer({ code: json.code, status }, body)
    }
    return answer({ code: 'unexpected_answer', status })
  }

  /** Milliseconds to wait before the next attempt; undefined where there is to be none. */
  private delayAfter(attempt: number, outcome: Answer | Failure): number | undefined {
    const { attempts, baseDelay, maxDelay } = this.policy
    if (outcome.problem === undefined || attempt >= attempts) return undefined
    const backoff = Math.random() * Math.min(maxDelay, baseDelay * 2 ** (attempt - 1))
    const { code, status } = outcome.problem
    if (code === 'network_error') return this.inTime(backoff)
    if (!RETRIED_STATUSES.has(status) && code !== 'idempotency_key_in_progress') return undefined
    const asked = retryAfter(outcome.response.headers.get('Retry-After'))
    if (asked === undefined) return this.inTime(backoff)
    return asked > maxDelay ? undefined : this.inTime(asked + Math.random() * baseDelay)
  }

  private inTime(delay: number): number | undefined {
    return Date.now() + delay < this.deadline ? delay : undefined
  }

  private handOver(outcome: Answer | Failure): Response {
    if (outcome instanceof Failure) throw outcome
    const { response, problem } = outcome
    if (problem?.code !== 'unexpected_answer') return response
    const detail = 'Something other than the backend answered.'
    throw new Failure(localProblem('unexpected_answer', detail, undefined, response.status), response)
  }
}

/** A time and a signal that end what runs under them. `AbortSignal.any` and `.timeout` are missing in React Native. */
export class Limit {
  readonly deadline: number
  private readonly controller = new AbortController()
  private readonly timer: ReturnType<typeof setTimeout>
  private readonly abort = () => this.controller.abort()

  constructor(
    timeout: number,
    private readonly outer?: AbortSignal | null,
  ) {
    this.deadline = Date.now() + timeout
    this.timer = setTimeout(this.abort, timeout)
    outer?.addEventListener('abort', this.abort)
    if (outer?.aborted) this.abort()
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  end(): void {
    clearTimeout(this.timer)
    this.outer?.removeEventListener('abort', this.abort)
  }

  /** What `work` comes to; rejects as soon as the limit is reached, whether or not `work` heeds it. */
  enforce<Value>(work: Promise<Value>): Promise<Value> {
    const { signal } = this
    return new Promise((resolve, reject) => {
      const end = () => reject(new Error(this.outer?.aborted ? 'aborted' : 'timed out'))
      signal.addEventListener('abort', end)
      if (signal.aborted) end()
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end))
    })
  }

  /** Wait that long; rejects as soon as the limit is reached. */
  async pause(milliseconds: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds)
    })
    await this.enforce(over).finally(() => clearTimeout(timer))
  }
}

/** Call what the app gave; what it throws is the app's, and reported as an uncaught error is. */
export function guarded(call: () => void): void {
  try {
    call()
  } catch (error) {
    setTimeout(() => {
      throw error
    })
  }
}

function aborted(signal: AbortSignal): LocalProblem {
  return localProblem('aborted', 'The request was aborted.', signal.reason)
}

function parsedObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The milliseconds that a Retry-After asks for (RFC 9110, section 10.2.3): seconds, or a date. */
function retryAfter(value: string | null): number | undefined {
  if (value === null) return undefined
  const asked = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(asked) ? undefined : Math.max(0, asked)
}
