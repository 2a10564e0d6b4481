import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createBackendClient, LinguaLinkError, unwrap } from '../src/index.js'
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
