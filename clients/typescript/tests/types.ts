/** Never run: `tsc` fails where one of these lines compiles, or stops to. */
import type { SupabaseClient } from '@supabase/supabase-js'
import {
  type BackendClient,
  createBackendClient,
  type EventPayloads,
  isLinguaLinkError,
  isOutcomeUnknown,
  LinguaLinkError,
  type Problem,
  type ProblemCode,
  type ProblemOf,
  paginate,
  paymentAttempt,
  type RouteProblem,
  type TransactionKind,
  unwrap,
} from '../src/index.js'

declare const backend: BackendClient

export async function bodies(): Promise<void> {
  const recipient_id = '7b0f5a4e-0000-4000-8000-000000000000'
  await backend.POST('/wallet/transfers', { body: { recipient_id, amount: '1.00' } })
  await backend.POST('/wallet/transfers', { body: { recipient_id, amount: '1.00', note: null } })
  // @ts-expect-error a transfer has no such field
  await backend.POST('/wallet/transfers', { body: { recipient_id, amount: '1.00', fee: '0.10' } })
  // @ts-expect-error nor has a call
  await backend.POST('/wallet/transfers', { body: { recipient_id, amount: '1.00' }, retries: 3 })
  await backend.GET('/wallet', {
    timeout: 5_000,
    retry: { attempts: 2 },
    onRetry: ({ attempt }) => void attempt,
  })
  await backend.GET('/wallet', { retry: false, signal: new AbortController().signal })
  // @ts-expect-error money is a string, never a number
  await backend.POST('/wallet/transfers', { body: { recipient_id, amount: 1 } })
  // @ts-expect-error the recipient is missing
  await backend.POST('/wallet/transfers', { body: { amount: '1.00' } })
  // @ts-expect-error a transfer needs a body
  await backend.POST('/wallet/transfers', {})
  // @ts-expect-error there is no such route
  await backend.POST('/wallet/transfer', { body: { recipient_id, amount: '1.00' } })
  // @ts-expect-error a wallet is not deleted
  await backend.DELETE('/wallet', {})
  const params = { path: { user_id: recipient_id } }
  await backend.PUT('/vault/users/{user_id}/role', { params, body: { role: 'admin' } })
  // @ts-expect-error there is no such role
  await backend.PUT('/vault/users/{user_id}/role', { params, body: { role: 'boss' } })
  // @ts-expect-error the user is missing
  await backend.PUT('/vault/users/{user_id}/role', { body: { role: 'admin' } })
  // @ts-expect-error a page has at most so many items, as a number
  await backend.GET('/wallet/transactions', { params: { query: { limit: '50' } } })
}

export async function decisions(post_id: string, status: 'approved' | 'rejected'): Promise<void> {
  const path = '/vault/posts/{post_id}/validation'
  const seen = { path: { post_id }, header: { 'If-Match': '"3"' } }
  await backend.POST(path, { params: seen, body: { status: 'approved' } })
  await backend.POST(path, { params: seen, body: { status } })
  await backend.POST(path, { params: { path: { post_id } }, body: { status: 'rejected', reason: 'noise' } })
  // @ts-expect-error what is approved has to be what was seen
  await backend.POST(path, { params: { path: { post_id } }, body: { status: 'approved' } })
  // @ts-expect-error it may be an approval
  await backend.POST(path, { params: { path: { post_id } }, body: { status } })
}

export async function payments(storage: Storage): Promise<void> {
  const payment = paymentAttempt({ backend, path: '/wallet/transfers', storage })
  const { data, error } = await payment.submit({ body: { recipient_id: '', amount: '1.00' } })
  const balance: string | undefined = data?.balance
  if (error) void isOutcomeUnknown(error)
  // @ts-expect-error a transfer has a recipient
  await payment.submit({ body: { amount: '1.00' } })
  // @ts-expect-error no money moves there
  paymentAttempt({ backend, path: '/vault/posts/{post_id}/validation', storage })
  void balance
}

export function thrown(error: unknown): void {
  if (error instanceof LinguaLinkError && error.code === 'banned') {
    const code: 'banned' = error.problem.code
    void code
  }
  if (isLinguaLinkError<RouteProblem<'post', '/wallet/transfers'>>(error)) {
    // @ts-expect-error a transfer is not refused so
    void (error.code === 'last_admin')
    void (error.code === 'insufficient_funds')
  }
}

export async function readiness(): Promise<void> {
  const { data, error } = await backend.GET('/health/ready')
  const parts: Record<string, string> | undefined = data?.parts
  if (error && !('code' in error)) {
    const why: Record<string, string> = error.parts
    void why
  }
  void parts
}

interface Database {
  public: {
    Tables: {
      notes: { Row: { id: number }; Insert: { id: number }; Update: { id?: number }; Relationships: [] }
    }
    Views: Record<string, never>
    Functions: Record<string, never>
  }
}
export const typed = (supabase: SupabaseClient<Database>): BackendClient =>
  createBackendClient({ url: '', supabase })

export async function answers(): Promise<void> {
  const { data, error } = await backend.GET('/wallet')
  // @ts-expect-error there may be no data
  data.balance
  if (data) {
    const balance: string = data.balance
    const version: number = data.version
    // @ts-expect-error a balance is no number
    const wrong: number = data.balance
    void [balance, version, wrong]
  }
  if (error) {
    const code: Problem['code'] = error.code
    void code
  }
  const booked = unwrap(await backend.POST('/wallet/transfers', { body: { recipient_id: '', amount: '1' } }))
  const kind: TransactionKind = booked.transaction.kind
  // @ts-expect-error an answer has no such field
  void [kind, booked.fee]
}

export async function refusals(): Promise<string> {
  const { error } = await backend.POST('/wallet/transfers', { body: { recipient_id: '', amount: '1' } })
  switch (error?.code) {
    case 'insufficient_funds':
    case 'network_error':
      return error.detail
    // @ts-expect-error a transfer is not refused so
    case 'last_admin':
      return ''
    default:
      return ''
  }
}

export const known: ProblemCode = 'idempotency_key_reused'
// @ts-expect-error there is no such code
export const unknown: ProblemCode = 'no_such_code'
export const banned = (problem: ProblemOf<'banned'>): 'banned' => problem.code

export async function pages(): Promise<void> {
  for await (const row of paginate(backend, '/vault/audit-log', { query: { action: 'user.banned' } })) {
    const actor: string | null = row.actor_id
    void actor
  }
  // @ts-expect-error a wallet has no pages
  paginate(backend, '/wallet')
  // @ts-expect-error the cursor is not the caller's business
  paginate(backend, '/vault/users', { query: { cursor: '' } })
}

export const event = (payload: EventPayloads['balance_updated']): string => payload.balance
