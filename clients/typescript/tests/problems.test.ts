import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  createBackendClient,
  isLinguaLinkError,
  isOutcomeUnknown,
  LinguaLinkError,
  unwrap,
} from '../src/index.js'
import { signUp, supabaseClient, system } from './people.js'

test('a refusal is a problem with its code, status and request id', async () => {
  const [payer, payee] = await Promise.all([signUp({ balance: '1.00' }), signUp()])
  const { data, error } = await payer.backend.POST('/wallet/transfers', {
    body: { recipient_id: payee.id, amount: '2.00' },
  })
  expect(data).toBeUndefined()
  expect(error).toMatchObject({ code: 'insufficient_funds', status: 409 })
  expect(error?.request_id).not.toBe('')
})

test('a body that does not fit says where', async () => {
  const payer = await signUp()
  const { error } = await payer.backend.POST('/wallet/transfers', {
    body: { recipient_id: 'nobody', amount: '2.00' },
  })
  expect(error?.code).toBe('invalid_request')
  expect(error?.errors).toEqual([expect.objectContaining({ pointer: '/recipient_id' })])
})

test('somebody who is not signed in gets missing_token', async () => {
  const { error } = await createBackendClient({ url: system.api, supabase: supabaseClient() }).GET('/wallet')
  expect(error?.code).toBe('missing_token')
})

test('a user has no business in the vault', async () => {
  const person = await signUp()
  const { error } = await person.backend.GET('/vault/users')
  expect(error).toMatchObject({ code: 'forbidden', status: 403 })
})

test('a key that comes with another request is refused', async () => {
  const [payer, payee] = await Promise.all([signUp({ balance: '5.00' }), signUp()])
  const params = { header: { 'Idempotency-Key': randomUUID() } }
  const pay = (amount: string) =>
    payer.backend.POST('/wallet/transfers', { params, body: { recipient_id: payee.id, amount } })
  expect((await pay('1.00')).data?.balance).toBe('4.00')
  expect((await pay('2.00')).error?.code).toBe('idempotency_key_reused')
})

test('unwrap gives the data, or throws the problem', async () => {
  const person = await signUp()
  expect(unwrap(await person.backend.GET('/wallet')).user_id).toBe(person.id)
  const refused = await person.backend.GET('/vault/audit-log')
  const thrown = expect(() => unwrap(refused))
  thrown.toThrow(LinguaLinkError)
  thrown.toThrow(/^forbidden: /)
})

test('money is taken out, and the withdrawal listed', async () => {
  const person = await signUp({ balance: '9.00' })
  const held = unwrap(await person.backend.POST('/wallet/withdrawals', { body: { amount: '3.50' } }))
  expect(held.balance).toBe('5.50')
  const { items } = unwrap(await person.backend.GET('/wallet/withdrawals'))
  expect(items).toEqual([expect.objectContaining({ amount: '3.50', status: 'held' })])
})

test('what was thrown keeps the cause of the problem, and is told apart from other errors', async () => {
  const nowhere = createBackendClient({ url: 'http://127.0.0.1:9', supabase: supabaseClient() })
  const answer = await nowhere.GET('/wallet', { retry: false })
  const thrown = (() => {
    try {
      return unwrap(answer)
    } catch (error) {
      return error
    }
  })()
  expect(isLinguaLinkError(thrown) && thrown.code).toBe('network_error')
  expect((thrown as Error).cause).toBeInstanceOf(TypeError)
  expect(isLinguaLinkError(new Error('another'))).toBe(false)
})

test.each([
  ['network_error', 0, true],
  ['aborted', 0, true],
  ['unexpected_answer', 502, true],
  ['unavailable', 503, true],
  ['internal_error', 500, true],
  ['idempotency_key_in_progress', 409, true],
  ['of_tomorrow', 503, true],
  ['not_sent', 0, false],
  ['insufficient_funds', 409, false],
  ['rate_limited', 429, false],
])('%s leaves the outcome open: %3$s', (code, status, isOpen) => {
  expect(isOutcomeUnknown({ code, status })).toBe(isOpen)
})
