import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { type BackendClient, createBackendClient, type RetryPolicy } from '../src/index.js'
import { signUp, supabaseClient, system } from './people.js'
import { cut, json, losingTheFirstAnswer, problem, serve, silence } from './servers.js'

const WALLET = { user_id: randomUUID(), balance: '1.00', currency: 'USD', version: 1 }
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function client(url: string, retry: Partial<RetryPolicy> = {}): BackendClient {
  return createBackendClient({ url, supabase: supabaseClient(), retry: { baseDelay: 10, ...retry } })
}

const transfer = (backend: BackendClient, signal?: AbortSignal) =>
  backend.POST('/wallet/transfers', {
    body: { recipient_id: randomUUID(), amount: '1.00' },
    ...(signal && { signal }),
  })

test('a transfer whose answer was lost is repeated with its key, and moves money once', async () => {
  const proxy = await losingTheFirstAnswer(system.api)
  const payer = await signUp({ balance: '10.00', api: proxy.url })
  const payee = await signUp()
  const { data, response } = await payer.backend.POST('/wallet/transfers', {
    body: { recipient_id: payee.id, amount: '4.00' },
  })
  expect(data?.balance).toBe('6.00')
  expect(response.headers.get('Idempotency-Replayed')).toBe('true')
  expect(proxy.asked).toHaveLength(2)
  expect(proxy.asked[0]?.key).toMatch(UUID)
  expect(proxy.asked[1]?.key).toBe(proxy.asked[0]?.key)
  const { data: wallet } = await payer.backend.GET('/wallet')
  expect(wallet?.balance).toBe('6.00')
  const { data: received } = await payee.backend.GET('/wallet')
  expect(received?.balance).toBe('4.00')
})

test("the caller's own key is sent as it is", async () => {
  const backend = await serve(problem(404, 'user_not_found'))
  await client(backend.url).POST('/wallet/transfers', {
    params: { header: { 'Idempotency-Key': 'draft-7' } },
    body: { recipient_id: randomUUID(), amount: '1.00' },
  })
  expect(backend.asked[0]?.key).toBe('draft-7')
})

test('two transfers have two keys', async () => {
  const backend = await serve(problem(404, 'user_not_found'))
  await transfer(client(backend.url))
  await transfer(client(backend.url))
  expect(backend.asked[1]?.key).not.toBe(backend.asked[0]?.key)
})

test.each([
  [503, 'unavailable'],
  [429, 'rate_limited'],
])('a %i is tried again after its Retry-After', async (status, code) => {
  const backend = await serve(problem(status, code, { 'Retry-After': '1' }), json(200, WALLET))
  const { data } = await client(backend.url).GET('/wallet')
  expect(data).toEqual(WALLET)
  const [first, second] = backend.asked
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
})

test('a Retry-After that is longer than the policy allows is handed over at once', async () => {
  const backend = await serve(problem(503, 'unavailable', { 'Retry-After': '3600' }))
  const { error, response } = await client(backend.url).GET('/wallet')
  expect(error?.code).toBe('unavailable')
  expect(response.headers.get('Retry-After')).toBe('3600')
  expect(backend.asked).toHaveLength(1)
})

test('a key whose first request still runs is tried again', async () => {
  const busy = problem(409, 'idempotency_key_in_progress', { 'Retry-After': '0' })
  const backend = await serve(busy, problem(409, 'insufficient_funds'))
  const { error } = await transfer(client(backend.url))
  expect(error?.code).toBe('insufficient_funds')
  expect(backend.asked).toHaveLength(2)
})

test.each([
  [400, 'invalid_amount'],
  [403, 'banned'],
  [409, 'insufficient_funds'],
  [500, 'internal_error'],
])('a %i is not tried again', async (status, code) => {
  const backend = await serve(problem(status, code))
  const { error } = await transfer(client(backend.url))
  expect(error?.code).toBe(code)
  expect(backend.asked).toHaveLength(1)
})

test('a lost connection is tried again', async () => {
  const backend = await serve(cut, cut, json(200, WALLET))
  const { data } = await client(backend.url).GET('/wallet')
  expect(data).toEqual(WALLET)
})

test('an answer that breaks off in the middle is tried again', async () => {
  const half = (response: Parameters<typeof cut>[0]) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '999' })
    response.write('{"user_id":', () => response.socket?.destroy())
  }
  const backend = await serve(half, json(200, WALLET))
  const { data } = await client(backend.url).GET('/wallet')
  expect(data).toEqual(WALLET)
})

test('no answer in time counts as lost', async () => {
  const backend = await serve(silence, json(200, WALLET))
  const { data } = await client(backend.url, { attemptTimeout: 2_000 }).GET('/wallet')
  expect(data).toEqual(WALLET)
})

test('after the last attempt a lost connection is a network_error, and nothing is thrown', async () => {
  const backend = await serve(cut)
  const { data, error } = await client(backend.url, { attempts: 3 }).GET('/wallet')
  expect(data).toBeUndefined()
  expect(error).toMatchObject({ code: 'network_error', status: 0 })
  expect(backend.asked).toHaveLength(3)
})

test('a page of a proxy is an unexpected_answer', async () => {
  const backend = await serve((response) => {
    response.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>Not here</h1>')
  })
  const { error } = await client(backend.url).GET('/wallet')
  expect(error).toMatchObject({ code: 'unexpected_answer', status: 404 })
})

test('an expired token is refreshed once, and the request sent again with the new one', async () => {
  const backend = await serve(problem(401, 'expired_token'), json(200, WALLET))
  const person = await signUp({ api: backend.url })
  const { data } = await person.backend.GET('/wallet')
  expect(data).toEqual(WALLET)
  expect(backend.asked[0]?.token).toBeDefined()
  expect(backend.asked[1]?.token).not.toBe(backend.asked[0]?.token)
})

test('a token that is still refused after its refresh is the answer', async () => {
  const backend = await serve(problem(401, 'expired_token'))
  const person = await signUp({ api: backend.url })
  const { error } = await person.backend.GET('/wallet')
  expect(error?.code).toBe('expired_token')
  expect(backend.asked).toHaveLength(2)
})

test('an abort ends a request that waits for its answer', async () => {
  const abort = new AbortController()
  const backend = await serve(() => abort.abort())
  const { error } = await transfer(client(backend.url), abort.signal)
  expect(error?.code).toBe('aborted')
})

test('an abort ends the pause before a retry', async () => {
  const abort = new AbortController()
  const backend = await serve((response) => {
    response.on('finish', () => setImmediate(() => abort.abort()))
    problem(503, 'unavailable', { 'Retry-After': '60' })(response)
  })
  const patient = client(backend.url, { maxDelay: 120_000 })
  const { error } = await patient.GET('/wallet', { signal: abort.signal })
  expect(error?.code).toBe('aborted')
  expect(backend.asked).toHaveLength(1)
})
