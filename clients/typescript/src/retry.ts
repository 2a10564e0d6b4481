import { type LocalCode, localResponse } from './errors.js'
import type { Supabase } from './supabase.js'

/** How long the client goes on trying. Times are milliseconds. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  attempts: number
  /** The pause before the first retry is at most this; each further one at most twice the one before. */
  baseDelay: number
  /** No pause is longer; where the server asks for a longer one the answer is handed over instead. */
  maxDelay: number
  /** An attempt that takes longer counts as lost. */
  timeout: number
}

/** At most about half a minute in all while nothing answers at once. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseDelay: 250, maxDelay: 8_000, timeout: 15_000 }

type Fetch = (request: Request, init?: RequestInit) => Promise<Response>

/** A complete answer: its body has arrived, so that a connection lost in the middle counts as lost. */
interface Answer {
  response: Response
  code: string | undefined
}

const RETRIED_STATUSES = new Set([429, 502, 503, 504])

/**
 * A `fetch` for requests that may be repeated: it sends the session's current access token, tries again after
 * 429, 502, 503, 504 and lost connections, refreshes an expired token once, and never rejects.
 *
 * Every request that passes through must be idempotent: GET, PUT and DELETE are, a POST is by its key.
 */
export function resilientFetch(
  supabase: Supabase,
  policy: RetryPolicy,
  fetch: Fetch,
): (request: Request) => Promise<Response> {
  return async (request) => {
    let refreshed = false
    for (let attempt = 1; ; attempt++) {
      const outcome = await attemptOnce(supabase, request, policy.timeout, fetch)
      if (outcome === 'aborted') return localResponse('aborted', 'The request was aborted.')
      if (outcome !== 'network_error' && outcome.code === 'expired_token' && !refreshed) {
        refreshed = true
        if (!(await supabase.auth.refreshSession()).error) continue
      }
      const pause = pauseBefore(attempt, outcome, policy)
      if (pause === undefined) return handOver(outcome)
      if (await aborted(request.signal, pause)) return localResponse('aborted', 'The request was aborted.')
    }
  }
}

async function attemptOnce(
  supabase: Supabase,
  request: Request,
  timeout: number,
  fetch: Fetch,
): Promise<Answer | Extract<LocalCode, 'network_error' | 'aborted'>> {
  const limit = new AbortController()
  const abort = () => limit.abort()
  const timer = setTimeout(abort, timeout)
  request.signal?.addEventListener('abort', abort)
  try {
    const sent = request.clone()
    if (!(await authorize(supabase, sent))) return 'network_error'
    if (request.signal?.aborted) return 'aborted'
    return await completed(await fetch(sent, { signal: limit.signal }))
  } catch {
    return request.signal?.aborted ? 'aborted' : 'network_error'
  } finally {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', abort)
  }
}

/** Put the current token on the request; false where Supabase could not be asked for a fresh one. */
async function authorize(supabase: Supabase, request: Request): Promise<boolean> {
  if (request.headers.has('Authorization')) return true
  const { data, error } = await supabase.auth.getSession()
  if (data.session) request.headers.set('Authorization', `Bearer ${data.session.access_token}`)
  return error?.name !== 'AuthRetryableFetchError'
}

async function completed(response: Response): Promise<Answer> {
  const text = await response.text()
  const headers = new Headers(response.headers)
  headers.delete('Content-Encoding')
  headers.delete('Content-Length')
  const { status, statusText } = response
  const whole = new Response(text === '' ? null : text, { status, statusText, headers })
  return { response: whole, code: response.ok ? undefined : codeOf(headers, text) }
}

function codeOf(headers: Headers, text: string): string | undefined {
  if (!headers.get('Content-Type')?.startsWith('application/problem+json')) return undefined
  try {
    return (JSON.parse(text) as { code?: string }).code
  } catch {
    return undefined
  }
}

/** Milliseconds to wait before the next attempt; undefined where there is to be none. */
function pauseBefore(
  attempt: number,
  outcome: Answer | 'network_error',
  policy: RetryPolicy,
): number | undefined {
  if (attempt >= policy.attempts) return undefined
  const backoff = Math.random() * Math.min(policy.maxDelay, policy.baseDelay * 2 ** (attempt - 1))
  if (outcome === 'network_error') return backoff
  const { response, code } = outcome
  if (!RETRIED_STATUSES.has(response.status) && code !== 'idempotency_key_in_progress') return undefined
  const asked = retryAfter(response.headers.get('Retry-After'))
  if (asked === undefined) return backoff
  return asked > policy.maxDelay ? undefined : asked + Math.random() * policy.baseDelay
}

/** The milliseconds that a Retry-After asks for (RFC 9110, section 10.2.3): seconds, or a date. */
function retryAfter(value: string | null): number | undefined {
  if (value === null) return undefined
  const asked = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(asked) ? undefined : Math.max(0, asked)
}

function handOver(outcome: Answer | 'network_error'): Response {
  if (outcome === 'network_error') return localResponse('network_error', 'The backend did not answer.')
  const { response, code } = outcome
  if (response.ok || code !== undefined) return response
  return localResponse('unexpected_answer', 'Something other than the backend answered.', response.status)
}

/** Wait; true as soon as the signal aborts. */
function aborted(signal: AbortSignal | undefined, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (early: boolean) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      resolve(early)
    }
    const onAbort = () => end(true)
    const timer = setTimeout(() => end(false), milliseconds)
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) end(true)
  })
}
