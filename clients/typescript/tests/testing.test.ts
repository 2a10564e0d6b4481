/** What an app's tests are given behaves as the backend does. */
import { http } from 'msw'
import { setupServer } from 'msw/node'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createBackendClient, subscribeToWallet, unwrap, type WalletChange } from '../src/index.js'
import { answerFixture, fakeWallet, mswHandlers, mswProblem, problemFixture } from '../src/testing.js'

const RECIPIENT = '7b0f5a4e-0000-4000-8000-000000000009'
const transfer = (amount: string) => ({ body: { recipient_id: RECIPIENT, amount } })

function watch(wallet = fakeWallet({ balance: '10.00' })) {
  const changes: WalletChange[] = []
  const statuses: string[] = []
  const subscription = subscribeToWallet(wallet.backend, (change) => changes.push(change), {
    onStatus: (status) => statuses.push(status),
  })
  onTestFinished(subscription.cancel)
  const balances = () => changes.map(({ balance }) => balance)
  return { wallet, changes, statuses, subscription, balances }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('the fake wallet moves, and the app hears of it', async () => {
  const { wallet, changes, balances } = watch()
  await vi.advanceTimersByTimeAsync(10)
  wallet.move('earning', '2.505')
  await vi.advanceTimersByTimeAsync(10)
  expect(balances()).toEqual(['10.00', '12.505'])
  expect(changes[1]?.event).toMatchObject({ kind: 'earning', amount: '2.505' })
})

test('an event that is lost is made up for within a minute while live', async () => {
  const { wallet, balances, statuses } = watch()
  await vi.advanceTimersByTimeAsync(10)
  expect(statuses.at(-1)).toBe('live')
  const { broadcast } = Object.getPrototypeOf(Reflect.get(wallet, 'realtime'))
  const lost = vi.spyOn(Object.getPrototypeOf(Reflect.get(wallet, 'realtime')), 'broadcast')
  lost.mockImplementation(() => {})
  wallet.move('bonus', '1.00')
  lost.mockImplementation(broadcast)
  await vi.advanceTimersByTimeAsync(50_000)
  expect(balances()).toEqual(['10.00'])
  await vi.advanceTimersByTimeAsync(11_000)
  expect(balances()).toEqual(['10.00', '11.00'])
})

test('a connection that is lost is a reason to read at once, and every half a minute until it is back', async () => {
  const { wallet, balances, statuses } = watch()
  await vi.advanceTimersByTimeAsync(10)
  const server = Reflect.get(wallet, 'realtime')
  server.turn(false)
  wallet.move('bonus', '1.00')
  await vi.advanceTimersByTimeAsync(10)
  expect(statuses.at(-1)).toBe('connecting')
  expect(balances()).toEqual(['10.00', '11.00'])
  wallet.move('bonus', '1.00')
  await vi.advanceTimersByTimeAsync(31_000)
  expect(balances()).toEqual(['10.00', '11.00', '12.00'])
})

test('a connection that is not live for fifteen seconds is built anew', async () => {
  const wallet = fakeWallet()
  wallet.goOffline()
  const connections = vi.spyOn(Object.getPrototypeOf(Reflect.get(wallet, 'realtime')), 'join')
  watch(wallet)
  await vi.advanceTimersByTimeAsync(10)
  expect(connections).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(14_000)
  expect(connections).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(4_100)
  expect(connections).toHaveBeenCalledTimes(2)
})

test('who comes back from the background connects and reads at once', async () => {
  const { wallet, statuses, subscription, balances } = watch()
  await vi.advanceTimersByTimeAsync(10)
  wallet.goOffline()
  wallet.move('bonus', '1.00')
  wallet.goOnline()
  await subscription.refresh()
  expect(statuses.at(-1)).toBe('live')
  expect(balances()).toEqual(['10.00', '11.00'])
})

test('who signs out is forgotten, and known again after signing in', async () => {
  const { wallet, statuses, balances } = watch()
  await vi.advanceTimersByTimeAsync(10)
  wallet.signOut()
  expect((await wallet.backend.GET('/wallet')).error?.code).toBe('missing_token')
  wallet.signIn()
  await vi.advanceTimersByTimeAsync(10)
  expect(balances()).toEqual(['10.00', null, '10.00'])
  expect(statuses.filter((status) => status === 'signed_out')).toHaveLength(1)
})

test('it pays once for each key, refuses what it has not, and answers problems on demand', async () => {
  const wallet = fakeWallet({ balance: '10.00' })
  const params = { header: { 'Idempotency-Key': 'draft-7' } }
  const pay = () => wallet.backend.POST('/wallet/transfers', { params, ...transfer('4.00') })
  expect(unwrap(await pay()).balance).toBe('6.00')
  expect(unwrap(await pay()).balance).toBe('6.00')
  expect(wallet.balance).toBe('6.00')
  expect((await wallet.backend.POST('/wallet/transfers', transfer('7.00'))).error?.code).toBe(
    'insufficient_funds',
  )
  wallet.refuse('POST /wallet/transfers', 'banned')
  expect((await wallet.backend.POST('/wallet/transfers', transfer('1.00'))).error?.code).toBe('banned')
  const { items } = unwrap(await wallet.backend.GET('/wallet/transactions'))
  expect(items.map(({ kind, amount }) => [kind, amount])).toEqual([
    ['transfer_out', '-4.00'],
    ['opening', '10.00'],
  ])
})

test('fixtures are new each time, and take changes', () => {
  const changed = answerFixture('GET /profile', { role: 'admin', balance: '1.00' })
  expect(changed).toMatchObject({ role: 'admin', balance: '1.00', currency: 'USD' })
  expect(answerFixture('GET /profile')).not.toMatchObject({ balance: '1.00' })
  expect(problemFixture('insufficient_funds')).toMatchObject({ status: 409, code: 'insufficient_funds' })
})

test('with the handlers for msw every route answers, and one of yours goes before them', async () => {
  vi.useRealTimers()
  const url = 'https://backend.test'
  const server = setupServer(...mswHandlers({ http }, url))
  server.listen()
  onTestFinished(() => server.close())
  const { supabase } = fakeWallet()
  const backend = createBackendClient({ url, supabase })
  expect((await backend.GET('/wallet')).data).toEqual(answerFixture('GET /wallet'))
  const params = { path: { user_id: RECIPIENT } }
  expect((await backend.GET('/vault/users/{user_id}', { params })).error).toBeUndefined()
  server.use(mswProblem({ http }, url, 'POST /wallet/transfers', 'daily_limit' as 'insufficient_funds'))
  expect((await backend.POST('/wallet/transfers', transfer('1.00'))).error?.code).toBe('daily_limit')
})
