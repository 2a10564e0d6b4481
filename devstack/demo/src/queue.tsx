import type { BackendClient, components } from '@lingualink/backend-client'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { wordsFor } from './home'
import type { Sample } from './site'

type Post = components['schemas']['PostOut']

/** The moderation queue: what is approved is what was seen, by its version. */
export function Queue({ backend, people }: { backend: BackendClient; people: Sample[] }) {
  const [posts, setPosts] = useState<Post[]>()
  const [busy, setBusy] = useState('')
  const [problem, setProblem] = useState('')

  const read = useCallback(async () => {
    const { data, error } = await backend.GET('/vault/posts', { params: { query: { status: 'pending' } } })
    if (data) setPosts(data.items)
    else if (error) setProblem(wordsFor(error))
  }, [backend])
  useEffect(() => void read(), [read])

  async function decide(post: Post, status: 'approved' | 'rejected') {
    setBusy(post.id)
    const { error } = await backend.POST('/vault/posts/{post_id}/validation', {
      params: { path: { post_id: post.id }, header: { 'If-Match': `"${post.version}"` } },
      body: status === 'approved' ? { status } : { status, reason: 'It does not fit its language.' },
    })
    setBusy('')
    setProblem(error ? wordsFor(error) : '')
    await read()
  }

  const author = (id: string) => people.find((person) => person.id === id)?.full_name ?? 'somebody'
  return (
    <section class="card" aria-labelledby="queue-title">
      <h2 id="queue-title">Posts to validate</h2>
      {problem && (
        <p class="notice error" role="alert">
          {problem}
        </p>
      )}
      {posts === undefined && !problem && <progress aria-label="Loading the queue" />}
      {posts?.length === 0 && <p class="muted">The queue is empty.</p>}
      <ul class="rows">
        {posts?.map((post) => (
          <li key={post.id}>
            <span>
              <strong>{post.title}</strong>
              <small class="muted">
                {post.kind} · {post.language} · by {author(post.author_id)}
              </small>
            </span>
            <button type="button" disabled={busy === post.id} onClick={() => void decide(post, 'approved')}>
              Approve<span class="hidden"> {post.title}</span>
            </button>
            <button
              type="button"
              class="quiet"
              disabled={busy === post.id}
              onClick={() => void decide(post, 'rejected')}
            >
              Reject<span class="hidden"> {post.title}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}
