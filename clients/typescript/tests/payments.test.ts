/** A payment is made once, whatever is lost on the way and however often somebody presses the button. */
import { expect, test } from 'vitest'
import {
  type BackendClient,
  createBackendClient,
  isOutcomeUnknown,
  type PaymentStorage,
  paymentAttempt,
  unwrap,
} from '../src/index.js'
import { give, type Person, signIn, signUp, supabaseClient, system } from './people.js'
import { type Answer, cut, passing, problem, silence } from './servers.js'

const PATH = '/wallet/transfers'

/** A storage that outlives whoever uses it. */
function memory(): PaymentStorage & { items: Map<string, string> } {
  const items = new Map<string, string>()
  return {
    items,
    getItem: async (name) => items.get(name) ?? null,
    setItem: async (name, value) => items.set(name, value),
    removeItem: async (name) => items.delete(name),
  }
}

const html: Answer = (response) =>
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Pay for Wi-Fi</h1>')
const of =
  (status: number): Answer =>
  (response) =>
    response.writeHead(status).end('Bad gateway')
const balance = async (person: Person) =>
  unwrap(await createBackendClient({ url: system.api, supabase: person.supabase }).GET('/wallet')).balance

async function payerBehind(url: string, funds = '10.00') {
  const [payer, payee] = await Promise.all([signUp({ balance: funds, api: url }), signUp()])
  const backend = createBackendClient({ url, supabase: payer.supabase, retry: { attempts: 1 } })
  return { payer, backend, body: { recipient_id: payee.id, amount: '4.00' } }
}

const FAULTS: [string, Answer][] = [
  ['502', of(502)],
  ['504', of(504)],
  ['503', problem(503, 'unavailable')],
  ['500', problem(500, 'internal_error')],
  ['a page', html],
  ['an empty 200', of(200)],
  ['nothing', cut],
]

test.each(
  FAULTS.flatMap(([name, fault]) => [[name, 'before', fault] as const, [name, 'after', fault] as const]),
)(
  '%s %s the payment reached the backend: pressed again, and after a restart, one payment is made',
  async (_, phase, fault) => {
    const proxy = await passing(system.api, phase, fault, fault)
    const storage = memory()
    const { payer, backend, body } = await payerBehind(proxy.url)
    const first = await paymentAttempt({ backend, path: PATH, storage }).submit({ body })
    expect(first.error && isOutcomeUnknown(first.error)).toBe(true)
    // A new object, as after a reload: only the storage is the same.
    const restarted = paymentAttempt({ backend, path: PATH, storage })
    expect(await restarted.pending()).toEqual({ body })
    expect((await restarted.submit({ body })).error).toBeDefined()
    const { data } = await restarted.submit({ body })
    expect(data?.balance).toBe('6.00')
    expect(await balance(payer)).toBe('6.00')
    expect(storage.items.size).toBe(0)
    expect(await restarted.pending()).toBeNull()
  },
)

test('the same payment made twice on purpose is two payments', async () => {
  const { payer, backend, body } = await payerBehind(system.api)
  const attempt = paymentAttempt({ backend, path: PATH, storage: memory() })
  await attempt.submit({ body })
  await attempt.submit({ body })
  expect(await balance(payer)).toBe('2.00')
})

test('a double click is one payment', async () => {
  const { payer, backend, body } = await payerBehind(system.api)
  const attempt = paymentAttempt({ backend, path: PATH, storage: memory() })
  const [one, other] = await Promise.all([attempt.submit({ body }), attempt.submit({ body: { ...body } })])
  expect(other).toBe(one)
  expect(await balance(payer)).toBe('6.00')
})

test('the same draft of whoever signs in next is a payment of theirs, while the first is still under way', async () => {
  const proxy = await passing(system.api, 'before', silence)
  const [first, second, payee] = await Promise.all([
    signUp({ balance: '10.00' }),
    signUp({ balance: '10.00' }),
    signUp(),
  ])
  const supabase = supabaseClient()
  const backend = createBackendClient({ url: proxy.url, supabase, retry: { attempts: 1 } })
  const attempt = paymentAttempt({ backend, path: PATH, storage: memory() })
  const draft = { body: { recipient_id: payee.id, amount: '4.00' } }
  await signIn(supabase, first.email)
  const ending = new AbortController()
  const lost = attempt.submit({ ...draft, signal: ending.signal })
  await expect.poll(() => proxy.asked.length, { timeout: 30_000 }).toBe(1)
  await signIn(supabase, second.email)
  const { data } = await attempt.submit(draft)
  ending.abort()
  expect((await lost).data).toBeUndefined()
  expect(data?.transaction.user_id).toBe(second.id)
  expect(await balance(first)).toBe('10.00')
})

test('a refused draft can be paid as soon as the money is there', async () => {
  const { payer, backend, body } = await payerBehind(system.api, '1.00')
  const attempt = paymentAttempt({ backend, path: PATH, storage: memory() })
  expect((await attempt.submit({ body })).error?.code).toBe('insufficient_funds')
  await give(payer.id, '9.00')
  expect((await attempt.submit({ body })).data?.balance).toBe('6.00')
})

test('an edited draft is another payment, not a reused key', async () => {
  const proxy = await passing(system.api, 'before', of(502))
  const { payer, backend, body } = await payerBehind(proxy.url)
  const attempt = paymentAttempt({ backend, path: PATH, storage: memory() })
  expect((await attempt.submit({ body })).error?.code).toBe('unexpected_answer')
  const { data } = await attempt.submit({ body: { ...body, amount: '3.00' } })
  expect(data?.balance).toBe('7.00')
  expect(await balance(payer)).toBe('7.00')
})

test('a session that ended in between leaves the outcome open, and the key in its place', async () => {
  const proxy = await passing(system.api, 'after', of(502), problem(401, 'session_revoked'))
  const storage = memory()
  const { payer, backend, body } = await payerBehind(proxy.url)
  const attempt = paymentAttempt({ backend, path: PATH, storage })
  await attempt.submit({ body })
  expect((await attempt.submit({ body })).error?.code).toBe('session_revoked')
  expect(await attempt.pending()).toEqual({ body })
  expect((await attempt.submit({ body })).data?.balance).toBe('6.00')
  expect(await balance(payer)).toBe('6.00')
})

test('a refusal that was never sent before leaves nothing behind', async () => {
  const proxy = await passing(system.api, 'before', problem(429, 'rate_limited', { 'Retry-After': '60' }))
  const storage = memory()
  const { backend, body } = await payerBehind(proxy.url)
  await paymentAttempt({ backend, path: PATH, storage }).submit({ body })
  expect(storage.items.size).toBe(0)
})

test('the next person on the device does not see or spend the draft of the last', async () => {
  const proxy = await passing(system.api, 'after', of(502))
  const storage = memory()
  const { payer, backend, body } = await payerBehind(proxy.url)
  const attempt = paymentAttempt({ backend, path: PATH, storage })
  await attempt.submit({ body })
  const next = await signUp({ balance: '10.00' })
  await signIn(payer.supabase, next.email)
  expect(await attempt.pending()).toBeNull()
  expect((await attempt.submit({ body })).data?.balance).toBe('6.00')
  await signIn(payer.supabase, payer.email)
  expect(await attempt.pending()).toEqual({ body })
})

test('a payment that could not be remembered is not sent', async () => {
  const proxy = await passing(system.api, 'before')
  const { backend, body } = await payerBehind(proxy.url)
  const full = { ...memory(), setItem: () => Promise.reject(new Error('the disk is full')) }
  const { error } = await paymentAttempt({ backend, path: PATH, storage: full }).submit({ body })
  expect(error).toMatchObject({
    code: 'not_sent',
    cause: expect.objectContaining({ message: 'the disk is full' }),
  })
  expect(proxy.asked.filter(({ method }) => method === 'POST')).toHaveLength(0)
})

test.each([
  ['throws', () => Promise.reject(new Error('the disk is broken'))],
  ['lets nothing go', async () => {}],
])(
  'a storage that %s when the key is to go does not make the next payment a replay',
  async (_, removeItem) => {
    const { payer, backend, body } = await payerBehind(system.api)
    const attempt = paymentAttempt({ backend, path: PATH, storage: { ...memory(), removeItem } })
    expect((await attempt.submit({ body })).error).toBeUndefined()
    await attempt.submit({ body })
    expect(await balance(payer)).toBe('2.00')
  },
)

test('what is no record in the storage is passed over', async () => {
  const { backend, body } = await payerBehind(system.api)
  const storage = { ...memory(), getItem: async () => '{"draft":' }
  const attempt = paymentAttempt({ backend, path: PATH, storage })
  expect(await attempt.pending()).toBeNull()
  expect((await attempt.submit({ body })).data?.balance).toBe('6.00')
})

test('a withdrawal and a bonus are attempts too', async () => {
  const person = await signUp({ balance: '10.00' })
  const storage = memory()
  const withdrawal = paymentAttempt({ backend: person.backend, path: '/wallet/withdrawals', storage })
  expect((await withdrawal.submit({ body: { amount: '4.00' } })).data?.withdrawal.status).toBe('held')
  const bonus = paymentAttempt({
    backend: await admin(),
    path: '/vault/users/{user_id}/transactions',
    storage,
  })
  const params = { path: { user_id: person.id } }
  const { data } = await bonus.submit({ params, body: { kind: 'bonus', amount: '1.00', note: 'a test' } })
  expect(data).toMatchObject({ balance: '7.00' })
})

async function admin(): Promise<BackendClient> {
  const supabase = supabaseClient()
  await signIn(supabase, system.admin.email, system.admin.password)
  return createBackendClient({ url: system.api, supabase })
}
