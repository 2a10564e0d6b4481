/** The running system that pytest names in the environment, and people who sign in there. */
import { randomUUID } from 'node:crypto'
import {
  type AuthError,
  createClient,
  type SupabaseClient,
  type SupabaseClientOptions,
} from '@supabase/supabase-js'
import { onTestFinished } from 'vitest'
import { type BackendClient, createBackendClient, unwrap } from '../src/index.js'

interface System {
  api: string
  supabase: string
  /** The same Supabase behind an address whose tokens live for two seconds; the backend takes none of them. */
  shortLived: string
  publishableKey: string
  secretKey: string
  admin: { email: string; password: string }
}

const PASSWORD = 'correct horse'

/** Where everything answers. */
export const system: System = JSON.parse(
  process.env.LINGUALINK_TEST_SYSTEM ??
    fail('Run these tests with pytest tests/client: they need a backend.'),
)

function fail(message: string): never {
  throw new Error(message)
}

/** Somebody with an account at Supabase and a client of the backend. */
export interface Person {
  id: string
  email: string
  supabase: SupabaseClient
  backend: BackendClient
}

/** A client of Supabase that nobody has signed in on yet. */
export function supabaseClient(
  url: string = system.supabase,
  options: SupabaseClientOptions<'public'> = {},
): SupabaseClient {
  const supabase = createClient(url, system.publishableKey, {
    ...options,
    auth: { persistSession: false, autoRefreshToken: false, storageKey: randomUUID() },
  })
  onTestFinished(async () => {
    await supabase.removeAllChannels()
    supabase.realtime.disconnect()
  })
  return supabase
}

/** Sign somebody new up, with money where asked; Supabase and backend may stand behind other addresses. */
export async function signUp(
  options: { balance?: string; supabase?: string; api?: string } = {},
): Promise<Person> {
  const supabase = supabaseClient(options.supabase)
  const { id, email } = await enter(supabase)
  const backend = createBackendClient({ url: options.api ?? system.api, supabase })
  unwrap(await createBackendClient({ url: system.api, supabase }).GET('/profile'))
  if (options.balance) await give(id, options.balance)
  return { id, email, supabase, backend }
}

/** Sign somebody new up on `supabase`; the backend does not hear of it. */
export async function enter(supabase: SupabaseClient): Promise<{ id: string; email: string }> {
  const email = `${randomUUID()}@lingualink.test`
  const { data } = await reached(() => supabase.auth.signUp({ email, password: PASSWORD }))
  if (!data.user) throw new Error('nobody was signed up')
  return { id: data.user.id, email }
}

/** Sign the person who owns `email` in on `supabase`. */
export async function signIn(supabase: SupabaseClient, email: string, password = PASSWORD): Promise<void> {
  await reached(() => supabase.auth.signInWithPassword({ email, password }))
}

/** What Auth answers; asked again where the connection that was kept alive was gone, as a person would press again. */
async function reached<Answer extends { error: AuthError | null }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask()
    const { error } = answer
    if (error === null) return answer
    if (error.name !== 'AuthRetryableFetchError' || attempt === 3) throw error
  }
}

/** Book a bonus as the admin; the version of the wallet after it. */
export async function give(userId: string, amount: string): Promise<number> {
  const supabase = supabaseClient()
  await signIn(supabase, system.admin.email, system.admin.password)
  const admin = createBackendClient({ url: system.api, supabase })
  const booked = unwrap(
    await admin.POST('/vault/users/{user_id}/transactions', {
      params: { path: { user_id: userId } },
      body: { kind: 'bonus', amount, note: 'a test' },
    }),
  )
  if (!('version' in booked)) throw new Error('it waits for a second admin')
  return booked.version
}

/** Send an event on somebody's topic as the backend does, without money that would owe it. */
export async function broadcast(
  userId: string,
  event: string,
  payload: object,
  supabase: string = system.supabase,
): Promise<void> {
  const answer = await fetch(`${supabase}/realtime/v1/api/broadcast`, {
    method: 'POST',
    headers: { apikey: system.secretKey, 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages: [{ topic: `user:${userId}`, event, payload, private: true }] }),
  })
  if (!answer.ok) throw new Error(`the broadcast was answered with ${answer.status}`)
}

/** What was told, in order, and a way to wait for more. */
export class Told<Thing> {
  readonly things: Thing[] = []
  private waiting: (() => void)[] = []

  readonly add = (thing: Thing): void => {
    this.things.push(thing)
    for (const wake of this.waiting.splice(0)) wake()
  }

  /** The first thing that is so, told already or to come. The test's timeout is the limit. */
  async first(isSo: (thing: Thing) => boolean): Promise<Thing> {
    for (;;) {
      const found = this.things.find(isSo)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }
}
