import { expect, test } from 'vitest'
import { paginate } from '../src/index.js'
import { give, signUp } from './people.js'

test('every item of a list comes once, in its order, over all pages', async () => {
  const person = await signUp()
  for (let number = 1; number <= 5; number++) await give(person.id, `${number}.00`)
  const versions: number[] = []
  for await (const row of paginate(person.backend, '/wallet/transactions', { query: { limit: 2 } })) {
    versions.push(row.version)
  }
  expect(versions).toEqual([5, 4, 3, 2, 1])
})

test('filters hold on every page', async () => {
  const [payer, payee] = await Promise.all([signUp({ balance: '9.00' }), signUp()])
  for (let time = 0; time < 3; time++) {
    await payer.backend.POST('/wallet/transfers', { body: { recipient_id: payee.id, amount: '1.00' } })
  }
  const kinds: string[] = []
  const query = { kind: 'transfer_out', limit: 1 } as const
  for await (const row of paginate(payer.backend, '/wallet/transactions', { query })) kinds.push(row.kind)
  expect(kinds).toEqual(['transfer_out', 'transfer_out', 'transfer_out'])
})

test('leaving the loop fetches no further page', async () => {
  const asked: string[] = []
  const person = await signUp({ balance: '1.00' })
  await give(person.id, '1.00')
  person.backend.use({
    onRequest({ request }) {
      asked.push(request.url)
    },
  })
  for await (const _ of paginate(person.backend, '/wallet/transactions', { query: { limit: 1 } })) break
  expect(asked).toHaveLength(1)
})

test('a page that is refused is thrown', async () => {
  const person = await signUp()
  const rows = paginate(person.backend, '/vault/users')
  await expect(rows.next()).rejects.toMatchObject({ code: 'forbidden' })
})
