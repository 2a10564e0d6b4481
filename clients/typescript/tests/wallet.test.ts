import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import {
  createBackendClient,
  type Problem,
  subscribeToPostValidations,
  subscribeToWallet,
  type TopicStatus,
  type WalletChange,
} from '../src/index.js'
import {
  broadcast,
  enter,
  give,
  type Person,
  signIn,
  signUp,
  supabaseClient,
  system,
  Told,
} from './people.js'
import { cable, cut, serve } from './servers.js'

function follow(person: Pick<Person, 'backend'>) {
  const changes = new Told<WalletChange>()
  const statuses = new Told<TopicStatus>()
  const problems = new Told<Problem | null>()
  const subscription = subscribeToWallet(person.backend, changes.add, {
    onStatus: statuses.add,
    onError: problems.add,
  })
  onTestFinished(subscription.cancel)
  return { changes, statuses, problems, subscription }
}

const isVersion = (version: number) => (change: WalletChange) => change.version === version
const ofEvent = (change: WalletChange) => change.event !== null
const versionsOf = (changes: Told<WalletChange>) => changes.things.map(({ version }) => version)

/** An event as the backend sends it. */
function balanceUpdated(userId: string, version: number, balance = '0.00') {
  return {
    event_id: randomUUID(),
    user_id: userId,
    transaction_id: randomUUID(),
    kind: 'bonus',
    amount: '1.00',
    balance,
    currency: 'USD',
    version,
    occurred_at: new Date().toISOString(),
  }
}

test('the balance comes once at first, and then with every change', async () => {
  const person = await signUp()
  const { changes } = follow(person)
  const first = await changes.first(() => true)
  expect(first).toEqual({
    userId: person.id,
    balance: '0.00',
    currency: 'USD',
    version: 0,
    epoch: 0,
    event: null,
  })
  await give(person.id, '2.50')
  const second = await changes.first(isVersion(1))
  expect(second).toMatchObject({ balance: '2.50', event: { kind: 'bonus', amount: '2.50' } })
})

test('late and repeated events are dropped', async () => {
  const person = await signUp()
  const { changes } = follow(person)
  await changes.first(isVersion(0))
  for (const version of [5, 3, 5, 4, 6]) {
    await broadcast(person.id, 'balance_updated', balanceUpdated(person.id, version))
  }
  await changes.first(isVersion(6))
  expect(versionsOf(changes)).toEqual([0, 5, 6])
})

test('a change that was missed while there was no connection is read after the reconnection', async () => {
  const wire = await cable(system.supabase)
  const person = await signUp({ supabase: wire.url })
  const { changes, statuses } = follow(person)
  // The same user on a connection that holds tells when the event has been sent.
  const elsewhere = supabaseClient()
  await signIn(elsewhere, person.email)
  const witness = follow({ backend: createBackendClient({ url: system.api, supabase: elsewhere }) })
  await Promise.all([changes.first(isVersion(0)), witness.changes.first(isVersion(0))])
  wire.pull()
  await statuses.first((status) => status === 'connecting' && statuses.things.includes('live'))
  await give(person.id, '7.00')
  await witness.changes.first(ofEvent)
  wire.plug()
  const missed = await changes.first(isVersion(1))
  expect(missed).toMatchObject({ balance: '7.00', event: null })
  await give(person.id, '1.00')
  expect(await changes.first(isVersion(2))).toMatchObject({ event: { kind: 'bonus' } })
})

test('a refreshed token keeps the subscription alive', async () => {
  const person = await signUp()
  const { changes, statuses } = follow(person)
  await changes.first(isVersion(0))
  const { error } = await person.supabase.auth.refreshSession()
  expect(error).toBeNull()
  await give(person.id, '1.00')
  expect(await changes.first(ofEvent)).toMatchObject({ version: 1 })
  expect(statuses.things.filter((status) => status === 'live')).toHaveLength(1)
})

test('a channel that the server closed with its expired token is joined again', async () => {
  const supabase = supabaseClient(system.shortLived)
  const { id } = await enter(supabase)
  const { changes, statuses } = follow({ backend: createBackendClient({ url: system.api, supabase }) })
  await statuses.first(() => statuses.things.lastIndexOf('live') > statuses.things.indexOf('live'))
  await broadcast(id, 'balance_updated', balanceUpdated(id, 7), system.shortLived)
  expect(await changes.first(ofEvent)).toMatchObject({ version: 7 })
})

test('cancel stops it, and leaves other subscriptions of the client alone', async () => {
  const person = await signUp()
  const [ended, other] = [follow(person), follow(person)]
  await Promise.all([ended.changes.first(isVersion(0)), other.changes.first(isVersion(0))])
  ended.subscription.cancel()
  await give(person.id, '1.00')
  await other.changes.first(isVersion(1))
  expect(versionsOf(ended.changes)).toEqual([0])
  await ended.subscription.refresh()
  expect(versionsOf(ended.changes)).toEqual([0])
})

test('the channel is left with the last subscription', async () => {
  const person = await signUp()
  const { changes, subscription } = follow(person)
  await changes.first(isVersion(0))
  expect(person.supabase.getChannels()).toHaveLength(1)
  subscription.cancel()
  await expect.poll(() => person.supabase.getChannels()).toHaveLength(0)
})

test('an aborted signal is a cancel', async () => {
  const person = await signUp()
  const changes = new Told<WalletChange>()
  const abort = new AbortController()
  subscribeToWallet(person.backend, changes.add, { signal: abort.signal })
  const { changes: others } = follow(person)
  await Promise.all([changes.first(isVersion(0)), others.first(isVersion(0))])
  abort.abort()
  await give(person.id, '1.00')
  await others.first(isVersion(1))
  expect(versionsOf(changes)).toEqual([0])
})

test('it follows whoever signs in next', async () => {
  const [ada, grace] = [await signUp({ balance: '1.00' }), await signUp({ balance: '2.00' })]
  const supabase = supabaseClient()
  const shared = { backend: createBackendClient({ url: system.api, supabase }) }
  const { changes, statuses } = follow(shared)
  await statuses.first((status) => status === 'signed_out')
  await signIn(supabase, ada.email)
  expect(await changes.first(() => true)).toMatchObject({ userId: ada.id, balance: '1.00' })
  await signIn(supabase, grace.email)
  expect(await changes.first(({ userId }) => userId === grace.id)).toMatchObject({ balance: '2.00' })
  await give(grace.id, '1.00')
  const given = await changes.first(({ userId, version }) => userId === grace.id && version === 2)
  expect(given.balance).toBe('3.00')
})

test('a wallet that can not be read is told', async () => {
  const backend = await serve(cut)
  const person = await signUp({ api: backend.url })
  const impatient = createBackendClient({
    url: backend.url,
    supabase: person.supabase,
    retry: { attempts: 1 },
  })
  const { problems } = follow({ backend: impatient })
  expect(await problems.first(() => true)).toMatchObject({ code: 'network_error' })
})

test('decisions on posts come once each', async () => {
  const person = await signUp()
  const { statuses } = follow(person)
  const told = new Told<{ version: number }>()
  onTestFinished(subscribeToPostValidations(person.backend, told.add))
  await statuses.first((status) => status === 'live')
  const postId = randomUUID()
  for (const version of [2, 2, 1, 3]) {
    await broadcast(person.id, 'post_validation_changed', { post_id: postId, version })
  }
  await told.first(({ version }) => version === 3)
  expect(told.things.map(({ version }) => version)).toEqual([2, 3])
})
