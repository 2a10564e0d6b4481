/** Every request ends, in time, with data or a typed error, whatever Supabase Auth, the platform or the network do. */
import { randomUUID } from 'node:crypto'
import { afterEach, expect, test, vi } from 'vitest'
import { type BackendClient, createBackendClient, type Retry, type RetryPolicy } from '../src/index.js'
import { signUp, supabaseClient, system } from './people.js'
import { type Answer, cut, json, problem, serve, silence } from './servers.js'

const WALLET = { user_id: randomUUID(), balance: '1.00', currency: 'USD', version: 1 }
const never = new Promise<never>(() => {})

afterEach(() => vi.unstubAllGlobals())

function client(url: string, retry: Partial<RetryPolicy> = {}, supabase = supabaseClient()): BackendClient {
  return createBackendClient({ url, supabase, retry: { baseDelay: 10, ...retry } })
}

const html = (status: number): Answer => {
  return (response) =>
    response.writeHead(status, { 'Content-Type': 'text/html' }).end('<h1>Welcome to the hotel</h1>')
}
const of = (status: number, type: string, body: string): Answer => {
  return (response) => response.writeHead(status, { 'Content-Type': type }).end(body)
}
const hanging: Answer = (response) => {
  response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"user_id":')
}

test.each([
  ['a page', html(200)],
  ['a page with an error', html(404)],
  ['nothing', of(200, 'application/json', '')],
  ['no JSON', of(200, 'application/json', '{"user_id"')],
  ['null', of(200, 'application/json', 'null')],
  ['text', of(200, 'text/plain', '{}')],
  ["another service's refusal", of(401, 'application/json', '{"message":"No API key found"}')],
  ['a problem without a code', of(409, 'application/problem+json', '{"title":"?"}')],
])('%s in place of an answer is an unexpected_answer with the status that came', async (_, answer) => {
  const backend = await serve(answer)
  const { data, error, response } = await client(backend.url).GET('/wallet')
  expect(data).toBeUndefined()
  expect(error?.code).toBe('unexpected_answer')
  expect(error?.status).toBe(response.status)
  expect(response.status).toBeGreaterThanOrEqual(200)
})

test('where nothing answered, neither the error nor the response has a status, and the cause is kept', async () => {
  const backend = await serve(cut)
  const { error, response } = await client(backend.url).GET('/wallet', { retry: false })
  expect(error).toMatchObject({ code: 'network_error', status: 0, cause: expect.any(TypeError) })
  expect(response.status).toBe(0)
})

test.each([
  ['that never answers', silence],
  ['whose body hangs', hanging],
])('a server %s ends with the timeout of the request', async (_, answer) => {
  const backend = await serve(answer)
  const before = performance.now()
  const { error } = await client(backend.url).GET('/wallet', { timeout: 400 })
  expect(error?.code).toBe('network_error')
  expect(performance.now() - before).toBeLessThan(10_000) // of half a minute that it would be by itself
})

test('a fetch that heeds no signal ends all the same', async () => {
  const supabase = supabaseClient()
  const backend = createBackendClient({ url: system.api, supabase, fetch: () => never, timeout: 300 })
  expect((await backend.GET('/wallet')).error?.code).toBe('network_error')
})

test.each(['getSession', 'refreshSession'] as const)(
  'a silent %s is ended by the timeout',
  async (method) => {
    const supabase = supabaseClient()
    vi.spyOn(supabase.auth, method).mockReturnValue(never)
    const backend = await serve(problem(401, 'expired_token'))
    const { error } = await client(backend.url, {}, supabase).GET('/wallet', { timeout: 300 })
    expect(error?.code).toBe('network_error')
  },
)

test('a silent Supabase Auth is ended by the signal', async () => {
  const supabase = supabaseClient()
  vi.spyOn(supabase.auth, 'getSession').mockReturnValue(never)
  const abort = new AbortController()
  const asked = client(system.api, {}, supabase).GET('/wallet', { signal: abort.signal })
  abort.abort()
  expect((await asked).error?.code).toBe('aborted')
})

test('a signal that is aborted already sends nothing', async () => {
  const backend = await serve(json(200, WALLET))
  const { error } = await client(backend.url).GET('/wallet', { signal: AbortSignal.abort() })
  expect(error?.code).toBe('aborted')
  expect(backend.asked).toHaveLength(0)
})

test.each(['getSession', 'refreshSession'] as const)('a %s that rejects is no exception', async (method) => {
  const supabase = supabaseClient()
  vi.spyOn(supabase.auth, method).mockRejectedValue(new Error('storage is broken'))
  const backend = await serve(problem(401, 'expired_token'))
  const { error } = await client(backend.url, { attempts: 2 }, supabase).GET('/wallet')
  expect(error?.code).toBe(method === 'getSession' ? 'network_error' : 'expired_token')
})

test.each(['sch\u00f6ner Schl\u00fcssel \u{1f511}', 'two\nlines', 'nul\u0000'])(
  'the odd key %j is not sent, and said so',
  async (key) => {
    const backend = await serve(json(201, {}))
    const { error } = await client(backend.url).POST('/wallet/transfers', {
      params: { header: { 'Idempotency-Key': key } },
      body: { recipient_id: randomUUID(), amount: '1.00' },
    })
    expect(error?.code).toBe('not_sent')
    expect(error).toHaveProperty('cause', expect.any(TypeError))
    expect(backend.asked).toHaveLength(0)
  },
)

test('without a source of random bytes a payment is not sent, and the cause says what to do', async () => {
  const backend = await serve(json(201, {}))
  const payer = client(backend.url)
  vi.stubGlobal('crypto', undefined)
  const { error } = await payer.POST('/wallet/transfers', {
    body: { recipient_id: randomUUID(), amount: '1.00' },
  })
  expect(error?.code).toBe('not_sent')
  expect(String(error && 'cause' in error && error.cause)).toContain('react-native-get-random-values')
  expect(backend.asked).toHaveLength(0)
})

test.each([
  ['an address that is none', 'not an address'],
  ['a port that nobody listens on', 'http://127.0.0.1:9'],
])('%s is an error', async (_, url) => {
  const { data, error } = await client(url, { attempts: 2 }).GET('/wallet')
  expect(data).toBeUndefined()
  expect(error?.status).toBe(0)
})

test('one request may have a policy of its own, and hears of each retry', async () => {
  const backend = await serve(problem(503, 'unavailable'), cut, json(200, WALLET))
  const retries: Retry[] = []
  const patient = client(backend.url)
  const { data } = await patient.GET('/wallet', {
    retry: { baseDelay: 1 },
    onRetry: (retry) => retries.push(retry),
  })
  expect(data).toEqual(WALLET)
  expect(retries.map(({ attempt, problem: { code } }) => [attempt, code])).toEqual([
    [1, 'unavailable'],
    [2, 'network_error'],
  ])
  const single = await serve(problem(503, 'unavailable'))
  await client(single.url).GET('/wallet', { retry: false })
  expect(single.asked).toHaveLength(1)
})

test('what the timeout has no room for is not waited for: the last answer is handed over', async () => {
  const backend = await serve(problem(503, 'unavailable', { 'Retry-After': '40' }))
  const { error } = await client(backend.url, { maxDelay: 60_000 }).GET('/wallet', { timeout: 39_000 })
  expect(error?.code).toBe('unavailable')
  expect(backend.asked).toHaveLength(1)
})

test('not being ready is an answer, told in its own words and at once', async () => {
  const report = { status: 'unready', database: 'unreachable', schema: 'unknown', keys: 'known' }
  const backend = await serve((response) => {
    response.writeHead(503, { 'Content-Type': 'application/json' }).end(JSON.stringify(report))
  })
  const { error, response } = await client(backend.url).GET('/health/ready')
  expect(error).toEqual(report)
  expect(response.status).toBe(503)
  expect(backend.asked).toHaveLength(1)
})

test('the health of the running system is told', async () => {
  const { data } = await createBackendClient({ url: system.api, supabase: supabaseClient() }).GET(
    '/health/ready',
  )
  expect(data?.status).toBe('ok')
})

test('a refusal after a lost attempt says that the earlier one is still open', async () => {
  const backend = await serve(cut, problem(403, 'banned'))
  const person = await signUp({ api: backend.url })
  const body = { recipient_id: randomUUID(), amount: '1.00' }
  const { error } = await person.backend.POST('/wallet/transfers', { body, retry: { baseDelay: 1 } })
  expect(error).toMatchObject({ code: 'banned', earlier_attempt_lost: true })
})
