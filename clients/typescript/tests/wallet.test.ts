import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import {
  createBackendClient,
  type Problem,
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
import { type Answer, cable, cut, serve } from './servers.js'

function follow(person: Pick<Person, 'backend'>) {
  const changes = new Told<WalletChange>()
  const statuses = new Told<TopicStatus>()
  const problems = new Told<Problem | null>()
  const subscription = subscribeToWallet(person.backend, changes.add, {
    onStatus: statuses.add,
    onError: problems.add,
  })
  onTestFinished(subscription.cancel)
  /** Live, and nothing is being read any more: what comes next comes as an event. */
  const live = async () => {
    await statuses.first((status) => status === 'live')
    await subscription.refresh()
  }
  return { changes, statuses, problems, subscription, live }
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
    epoch: 1,
    occurred_at: new Date().toISOString(),
  }
}

test('the balance comes once at first, and then with every change', async () => {
  const person = await signUp()
  const { changes, live } = follow(person)
  await live()
  const first = await changes.first(() => true)
  expect(first).toEqual({
    userId: person.id,
    balance: '0.00',
    currency: 'USD',
    version: 0,
    epoch: 1,
    event: null,
  })
  await give(person.id, '2.50')
  const second = await changes.first(isVersion(1))
  expect(second).toMatchObject({ balance: '2.50', event: { kind: 'bonus', amount: '2.50' } })
})

test('late and repeated events are dropped', async () => {
  const person = await signUp()
  const { changes, live } = follow(person)
  await Promise.all([changes.first(isVersion(0)), live()])
  for (const version of [5, 3, 5, 4, 6]) {
    await broadcast(person.id, 'balance_updated', balanceUpdated(person.id, version))
  }
  await changes.first(isVersion(6))
  expect(versionsOf(changes)).toEqual([0, 5, 6])
})

// supabase-js waits for up to ten seconds before it tries again.
test('a change that was missed while there was no connection is read after the reconnection', {
  timeout: 60_000,
}, async () => {
  const wire = await cable(system.supabase)
  const person = await signUp({ supabase: wire.url })
  const { changes, statuses, live } = follow(person)
  // The same user on a connection that holds tells when the event has been sent.
  const elsewhere = supabaseClient()
  await signIn(elsewhere, person.email)
  const witness = follow({ backend: createBackendClient({ url: system.api, supabase: elsewhere }) })
  await Promise.all([changes.first(isVersion(0)), witness.live()])
  await live()
  wire.pull()
  await statuses.first(() => statuses.things.lastIndexOf('connecting') > statuses.things.indexOf('live'))
  await give(person.id, '7.00')
  await witness.changes.first(ofEvent)
  wire.plug()
  const missed = await changes.first(isVersion(1))
  expect(missed).toMatchObject({ balance: '7.00', event: null })
  await statuses.first(() => statuses.things.at(-1) === 'live')
  await live()
  await give(person.id, '1.00')
  expect(await changes.first(isVersion(2))).toMatchObject({ event: { kind: 'bonus' } })
})

test('a refreshed token keeps the subscription alive', async () => {
  const person = await signUp()
  const { changes, statuses, live } = follow(person)
  await Promise.all([changes.first(isVersion(0)), live()])
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

test('an error that has passed is taken back, even where the balance is the same', async () => {
  const person = await signUp({ balance: '1.00' })
  const { backend, changes, problems, subscription } = await behindAProxy(person, cut)
  expect(await problems.first(() => true)).toMatchObject({ code: 'network_error' })
  expect(backend.asked.length).toBeGreaterThan(0)
  await subscription.refresh()
  await changes.first(isVersion(1))
  expect(problems.things.at(-1)).toBeNull()
})

/** Follow a person's wallet through a backend that answers the first reading with `fault`. */
async function behindAProxy(person: Person, fault: Answer) {
  let faults = 1
  const asked: string[] = []
  const backend = createBackendClient({
    url: system.api,
    supabase: person.supabase,
    retry: { attempts: 1 },
    async fetch(request, init) {
      asked.push(request.url)
      const { url } = faults-- > 0 ? await serve(fault) : { url: request.url }
      return fetch(new Request(url, request), init)
    },
  })
  return { backend: { asked }, ...follow({ backend }) }
}

test('without a WebSocket the balance is read all the same, as soon as it is known who is signed in', async () => {
  const person = await signUp({ balance: '3.00' })
  const supabase = supabaseClient(system.supabase, {
    realtime: {
      transport: class {
        constructor() {
          throw new Error('WebSockets are blocked')
        }
      } as unknown as typeof WebSocket,
    },
  })
  await signIn(supabase, person.email)
  const { changes, statuses } = follow({ backend: createBackendClient({ url: system.api, supabase }) })
  expect(await changes.first(() => true)).toMatchObject({ balance: '3.00', event: null })
  expect(statuses.things).not.toContain('live')
})

test('who signs out takes the balance along, before the next one signs in', async () => {
  const [ada, grace] = [await signUp({ balance: '1.00' }), await signUp({ balance: '2.00' })]
  const { changes, live } = follow(ada)
  await Promise.all([changes.first(isVersion(1)), live()])
  await ada.supabase.auth.signOut()
  expect(await changes.first(({ userId }) => userId === null)).toMatchObject({ balance: null, version: null })
  await signIn(ada.supabase, grace.email)
  await changes.first(({ userId }) => userId === grace.id)
  expect(changes.things.map(({ balance }) => balance)).toEqual(['1.00', null, '2.00'])
})

test('a version that is missing between two events is a reason to read at once', async () => {
  const person = await signUp()
  const asked = countReads(person)
  const { changes, live } = follow(person)
  await Promise.all([changes.first(isVersion(0)), live()])
  const before = asked.length
  await broadcast(person.id, 'balance_updated', balanceUpdated(person.id, 1))
  await changes.first(isVersion(1))
  expect(asked).toHaveLength(before)
  await broadcast(person.id, 'balance_updated', balanceUpdated(person.id, 3))
  await expect.poll(() => asked.length, { timeout: 30_000 }).toBe(before + 1)
})

test('after a restore to an earlier time the higher epoch counts, whatever the version', async () => {
  const person = await signUp()
  const { changes, live } = follow(person)
  await Promise.all([changes.first(isVersion(0)), live()])
  await broadcast(person.id, 'balance_updated', balanceUpdated(person.id, 9, '9.00'))
  await broadcast(person.id, 'balance_updated', { ...balanceUpdated(person.id, 4, '4.00'), epoch: 2 })
  await broadcast(person.id, 'balance_updated', balanceUpdated(person.id, 10, '10.00'))
  await broadcast(person.id, 'balance_updated', { ...balanceUpdated(person.id, 5, '5.00'), epoch: 2 })
  await changes.first(isVersion(5))
  expect(changes.things.map(({ balance }) => balance)).toEqual(['0.00', '9.00', '4.00', '5.00'])
})

test('any number of subscriptions share one connection and one read', async () => {
  const person = await signUp()
  const asked = countReads(person)
  const all = Array.from({ length: 5 }, () => follow(person))
  await Promise.all(all.flatMap(({ changes, live }) => [changes.first(isVersion(0)), live()]))
  // As soon as the user is known, once live, and the five that asked as one, or two where one came too late for it.
  expect(asked.length).toBeLessThanOrEqual(4)
  const { changes } = follow(person)
  await changes.first(isVersion(0))
})

function countReads(person: Person): string[] {
  const asked: string[] = []
  person.backend.use({
    onRequest({ request }) {
      asked.push(request.url)
    },
  })
  return asked
}

test("the app's own channel of that name and ours do not disturb each other", async () => {
  const person = await signUp()
  const heard = new Told<number>()
  const statuses = new Told<string>()
  const { changes, live, statuses: ours } = follow(person)
  await live()
  await person.supabase.realtime.setAuth()
  const channel = person.supabase.channel(`user:${person.id}`, { config: { private: true } })
  channel.on('broadcast', { event: 'balance_updated' }, ({ payload }) => heard.add(payload.version))
  channel.subscribe(statuses.add)
  await statuses.first((status) => status === 'SUBSCRIBED')
  await give(person.id, '1.00')
  await Promise.all([heard.first((version) => version === 1), changes.first(isVersion(1))])
  await person.supabase.removeChannel(channel)
  await give(person.id, '1.00')
  expect(await changes.first(isVersion(2))).toMatchObject({ event: { kind: 'bonus' } })
  expect(ours.things.filter((status) => status === 'live')).toHaveLength(1)
})

test.each([
  ['disconnects', (person: Person) => person.supabase.realtime.disconnect()],
  ['removes all channels', (person: Person) => person.supabase.removeAllChannels()],
])('an app that %s on its own client leaves ours alone', async (_, act) => {
  const person = await signUp()
  const { changes, live } = follow(person)
  await live()
  await act(person)
  await give(person.id, '1.00')
  expect(await changes.first(isVersion(1))).toMatchObject({ event: { kind: 'bonus' } })
})

test('what an onChange throws does not keep the others from hearing', async () => {
  const person = await signUp()
  const uncaught = new Told<unknown>()
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', uncaught.add)
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  const broken = subscribeToWallet(person.backend, () => {
    throw new Error('a bug of the app')
  })
  onTestFinished(broken.cancel)
  const { changes } = follow(person)
  await changes.first(isVersion(0))
  expect(await uncaught.first(() => true)).toMatchObject({ message: 'a bug of the app' })
})
