import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { Media, Recorder } from './media'
import { Alert, Card, focusSoon, Skeleton } from './parts'
import type { Site } from './site'
import { useSpeech } from './words'

interface Post {
  id: string
  kind: string
  title: string
  language: string
  validation_status: string
  validation_reason: string | null
  media_url: string | null
  created_at: string
}

const COLUMNS = 'id, kind, title, language, validation_status, validation_reason, media_url, created_at'
const EMPTY = { kind: 'text', title: '', language: '', body: '', media_url: '' }

/** One's own posts, and a new one: with the Supabase SDK, under row level security, as an app does it. */
export function Posts({ site, me, decisions }: { site: Site; me: string; decisions: number }) {
  const { words, time } = useSpeech()
  const [posts, setPosts] = useState<Post[]>()
  const [problem, setProblem] = useState('')

  const read = useCallback(async () => {
    const query = site.supabase.from('posts').select(COLUMNS).eq('author_id', me)
    const { data, error } = await query.order('created_at', { ascending: false }).limit(20)
    setProblem(error ? error.message : '')
    if (data) setPosts(data)
  }, [site, me])
  useEffect(() => void read(), [read, decisions])

  async function remove(post: Post) {
    const { error } = await site.supabase.from('posts').delete().eq('id', post.id)
    setProblem(error ? error.message : '')
    await read()
    focusSoon('posts-title')
  }

  return (
    <Card id="posts-title" title={words.posts}>
      <Alert text={problem} />
      <NewPost site={site} me={me} posted={read} />
      {posts === undefined && !problem && <Skeleton rows={3} />}
      {posts?.length === 0 && <p class="muted">{words.noPosts}</p>}
      <ul class="rows">
        {posts?.map((post) => (
          <li key={post.id}>
            <span>
              <strong>{post.title}</strong>
              <small class="muted">
                {words.postKinds[post.kind] ?? post.kind} · {post.language} · {time(post.created_at)}
              </small>
              {post.validation_reason && <q>{post.validation_reason}</q>}
            </span>
            <span class={`tag ${post.validation_status}`}>
              {words.statuses[post.validation_status] ?? post.validation_status}
            </span>
            {post.validation_status === 'pending' && (
              <button type="button" class="quiet" onClick={() => void remove(post)}>
                {words.remove}
                <span class="hidden"> {post.title}</span>
              </button>
            )}
            <Media url={post.media_url} kind={post.kind} title={post.title} />
          </li>
        ))}
      </ul>
    </Card>
  )
}

function NewPost({ site, me, posted }: { site: Site; me: string; posted(): Promise<void> }) {
  const { words } = useSpeech()
  const [draft, setDraft] = useState(EMPTY)
  const [busy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState('')
  const [problem, setProblem] = useState('')
  const title = useRef<HTMLInputElement>(null)
  const change = (part: Partial<typeof EMPTY>) => setDraft((before) => ({ ...before, ...part }))

  async function post(event: Event) {
    event.preventDefault()
    setBusy(true)
    const { kind, body, media_url, ...rest } = draft
    const content = kind === 'text' ? { body } : { media_url }
    const { error } = await site.supabase.from('posts').insert({ author_id: me, kind, ...rest, ...content })
    setBusy(false)
    setProblem(error ? error.message : '')
    setOutcome(error ? '' : words.posted)
    if (!error) {
      setDraft({ ...EMPTY, kind, language: draft.language })
      await posted()
    }
    focusSoon(title)
  }

  const field = (name: 'title' | 'language' | 'body' | 'media_url', label: string, most: number) => (
    <label>
      {label}
      <input
        ref={name === 'title' ? title : null}
        inputMode={name === 'media_url' ? 'url' : 'text'}
        required
        maxLength={most}
        value={draft[name]}
        onInput={(event) => change({ [name]: event.currentTarget.value })}
      />
    </label>
  )
  return (
    <details>
      <summary>{words.newPost}</summary>
      <form onSubmit={post}>
        {field('title', words.postTitle, 300)}
        <div class="pair">
          {field('language', words.postLanguage, 64)}
          <label>
            {words.postKind}
            <select value={draft.kind} onChange={(event) => change({ kind: event.currentTarget.value })}>
              {Object.entries(words.postKinds).map(([kind, name]) => (
                <option key={kind} value={kind}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
        {draft.kind === 'text' ? (
          field('body', words.postBody, 2_000)
        ) : (
          <>
            {field('media_url', words.mediaUrl, 2_000_000)}
            {draft.kind === 'voice' && <Recorder recorded={(url) => change({ media_url: url })} />}
          </>
        )}
        <Alert text={problem} />
        {outcome && (
          <p class="notice" role="status">
            {outcome}
          </p>
        )}
        <button type="submit" disabled={busy}>
          {words.post}
        </button>
      </form>
    </details>
  )
}
