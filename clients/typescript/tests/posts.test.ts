import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import {
  createBackendClient,
  type PostValidation,
  subscribeToPostValidations,
  type TopicStatus,
  unwrap,
} from '../src/index.js'
import { broadcast, enter, type Person, signIn, signUp, supabaseClient, system, Told } from './people.js'
import { cable } from './servers.js'

function follow({ backend }: Pick<Person, 'backend'>) {
  const told = new Told<PostValidation>()
  const statuses = new Told<TopicStatus>()
  onTestFinished(subscribeToPostValidations(backend, told.add, { onStatus: statuses.add }))
  return { told, statuses }
}

/** Approve a post as the admin. */
async function approve(postId: string): Promise<void> {
  const supabase = supabaseClient()
  await signIn(supabase, system.admin.email, system.admin.password)
  const admin = createBackendClient({ url: system.api, supabase })
  const { response } = await admin.POST('/vault/posts/{post_id}/validation', {
    params: { path: { post_id: postId }, header: { 'If-Match': '"1"' } },
    body: { status: 'approved', reason: 'well spoken' },
  })
  expect(response.status).toBe(200)
}

test('decisions on posts come once each', async () => {
  const person = await signUp()
  const { told, statuses } = follow(person)
  await statuses.first((status) => status === 'live')
  const postId = randomUUID()
  for (const version of [2, 2, 1, 3]) {
    await broadcast(person.id, 'post_validation_changed', { post_id: postId, version })
  }
  await told.first(({ version }) => version === 3)
  expect(told.things.map(({ version }) => version)).toEqual([2, 3])
})

test('what was decided while there was no connection is read from the posts', async () => {
  const wire = await cable(system.supabase)
  const answers = new Told<string>()
  const supabase = supabaseClient(wire.url, {
    global: {
      fetch: async (input, init) => {
        const answer = await fetch(input, init)
        await answer.clone().text() // whole: from here on a cut connection takes nothing of it
        if (answer.ok) answers.add(`${init?.method} ${new URL(String(input)).pathname}`)
        return answer
      },
    },
  })
  const { id } = await enter(supabase)
  const backend = createBackendClient({ url: system.api, supabase })
  unwrap(await backend.GET('/profile'))
  const post = { author_id: id, kind: 'text', title: 'A song', body: 'La la', language: 'Twi' }
  const { data } = await supabase.from('posts').insert(post).select('id').single()
  const { told, statuses } = follow({ backend })
  await statuses.first((status) => status === 'live')
  await answers.first((answer) => answer === 'GET /rest/v1/posts')

  wire.pull()
  await statuses.first(() => statuses.things.at(-1) === 'connecting')
  await approve(data?.id)
  wire.plug()

  const missed = await told.first(() => true)
  expect(missed).toMatchObject({ postId: data?.id, status: 'approved', reason: 'well spoken' })
})
