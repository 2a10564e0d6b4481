/**
 * Whatever an app does in whatever order, whoever is signed in at the end sees their balance, live. The rounds are
 * random; a failure names the seed that repeats it.
 */
import { expect, test } from 'vitest'
import {
  createBackendClient,
  subscribeToWallet,
  type WalletChange,
  type WalletSubscription,
} from '../src/index.js'
import { give, type Person, signIn, signUp, supabaseClient, system } from './people.js'
import { cable } from './servers.js'

const ROUNDS = Number(process.env.LINGUALINK_SEQUENCES ?? 6)
const STEPS = 8
const SEED = Number(process.env.LINGUALINK_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** mulberry32: as random as this needs to be, and the same again for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One screen that shows the balance. */
class Screen {
  shown: string | null = null
  isLive = false
  readonly subscription: WalletSubscription

  constructor(backend: ReturnType<typeof createBackendClient>) {
    this.subscription = subscribeToWallet(
      backend,
      (change: WalletChange) => {
        this.shown = change.balance
      },
      {
        onStatus: (status) => {
          this.isLive = status === 'live'
        },
      },
    )
  }
}

test(`in ${ROUNDS} random sequences from seed ${SEED} the balance is right and live in the end`, {
  timeout: 60_000 + ROUNDS * 20_000,
}, async () => {
  const people = [await signUp(), await signUp()] as [Person, Person]
  const versions = new Map<string, number>(people.map(({ id }) => [id, 0]))
  const wire = await cable(system.supabase)
  for (let round = 0; round < ROUNDS; round++) {
    const random = randomFrom(SEED + round)
    const pick = <Thing>(things: readonly Thing[]): Thing =>
      things[Math.floor(random() * things.length)] as Thing
    const supabase = supabaseClient(wire.url)
    const backend = createBackendClient({ url: system.api, supabase, retry: { attempts: 2, baseDelay: 10 } })
    const screens = new Set<Screen>()
    const mount = () => screens.add(new Screen(backend))
    const unmount = () => {
      const [screen] = screens
      screen?.subscription.cancel()
      if (screen) screens.delete(screen)
    }
    const offline = () => wire.pull()
    const online = () => wire.plug()
    const actions = {
      mount,
      unmount,
      remount: () => {
        unmount()
        mount()
      },
      signIn: () => signIn(supabase, pick(people).email).catch(() => {}),
      signOut: () => supabase.auth.signOut({ scope: 'local' }),
      refreshToken: () => supabase.auth.refreshSession(),
      refresh: () => Promise.all([...screens].map(({ subscription }) => subscription.refresh())),
      offline,
      online,
      disconnect: () => supabase.realtime.disconnect(),
      removeAll: () => supabase.removeAllChannels(),
      ownChannel: () =>
        void supabase.channel(`user:${people[0].id}`, { config: { private: true } }).subscribe(),
      pay: async () => {
        const { id } = pick(people)
        versions.set(id, await give(id, '1.00'))
      },
    }
    const done: string[] = []
    const underWay: unknown[] = []
    for (let step = 0; step < STEPS; step++) {
      const name = pick(Object.keys(actions) as (keyof typeof actions)[])
      done.push(name)
      const acting = actions[name]()
      underWay.push(acting)
      if (random() < 0.7) await acting
      else await new Promise((resolve) => setTimeout(resolve, random() * 50))
    }
    online()
    // A sign-out that is still under way would end the last session, whoever's that is.
    await Promise.allSettled(underWay)
    mount()
    const last = pick(people)
    await signIn(supabase, last.email)
    versions.set(last.id, await give(last.id, '1.00'))
    const story = `seed ${SEED + round}: ${done.join(', ')}`
    const expected = { shown: `${versions.get(last.id)}.00`, isLive: true }
    await expect
      .poll(() => [...screens].map(({ shown, isLive }) => ({ shown, isLive })), {
        timeout: 40_000,
        message: story,
      })
      .toEqual([...screens].map(() => expected))
    for (const { subscription } of screens) subscription.cancel()
    await supabase.removeAllChannels()
  }
})
