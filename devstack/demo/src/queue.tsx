import type { components } from '@lingualink/backend-client'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { Media } from './media'
import { Alert, Card, focusSoon, Skeleton, type Toast, useNames, usePolling } from './parts'
import type { Site } from './site'
import { useSpeech } from './words'

type Post = components['schemas']['PostOut']
type Decision = { status: 'approved' } | { status: 'rejected'; reason: string }

/** Seconds in which a decision can still be taken back: it is sent after them, or before a sign-out. */
const GRACE = 5
const EVERY = 4

interface Props {
  site: Site
  me: string
  toast(what: Toast): () => void
}

/** The moderation queue: one sees and hears what one decides on, and what is approved is what was seen. */
export function Queue({ site, me, toast }: Props) {
  const { backend } = site
  const { words, say } = useSpeech()
  const [posts, setPosts] = useState<Post[]>()
  const [problem, setProblem] = useState('')
  const [filter, setFilter] = useState({ language: '', kind: '' })
  const [held, setHeld] = useState<ReadonlySet<string>>(new Set())
  const sending = useRef(new Map<string, () => Promise<void>>())

  const read = useCallback(async () => {
    const { language, kind } = filter
    const query = {
      status: 'pending',
      ...(language && { language }),
      ...(kind && { kind: kind as 'text' }),
    } as const
    const { data, error } = await backend.GET('/vault/posts', { params: { query } })
    setProblem(error ? say(error) : '')
    if (data) setPosts(data.items)
  }, [backend, filter, say])
  usePolling(read, EVERY)
  useEffect(() => {
    const sendAll = () => Promise.all([...sending.current.values()].map((send) => send()))
    site.beforeSignOut.add(sendAll)
    return () => {
      site.beforeSignOut.delete(sendAll)
    }
  }, [site])

  const release = (id: string) => {
    sending.current.delete(id)
    setHeld((before) => new Set([...before].filter((one) => one !== id)))
  }

  function decide(post: Post, decision: Decision) {
    const send = async () => {
      clearTimeout(timer)
      endToast()
      if (!sending.current.delete(post.id)) return
      const { error } = await backend.POST('/vault/posts/{post_id}/validation', {
        params: { path: { post_id: post.id }, header: { 'If-Match': `"${post.version}"` } },
        body: decision,
      })
      await read()
      release(post.id)
      if (error) setProblem(`${post.title}: ${say(error)}`)
    }
    const undo = () => {
      clearTimeout(timer)
      endToast()
      release(post.id)
      focusSoon(`post-${post.id}`)
    }
    const told = decision.status === 'approved' ? words.approving : words.rejecting
    const endToast = toast({
      text: told(post.title),
      action: { label: words.undo, run: undo },
      seconds: GRACE,
    })
    const timer = setTimeout(() => void send(), GRACE * 1_000)
    sending.current.set(post.id, send)
    setHeld((before) => new Set([...before, post.id]))
    focusSoon('queue-title')
  }

  const shown = posts?.filter((post) => !held.has(post.id))
  const named = useNames(site, posts?.map((post) => post.author_id) ?? [])
  const languages = [...new Set([filter.language, ...(posts?.map((post) => post.language) ?? [])])].filter(
    Boolean,
  )
  const aside = (
    <div class="buttons">
      <select
        aria-label={words.postLanguage}
        value={filter.language}
        onChange={(event) => setFilter({ ...filter, language: event.currentTarget.value })}
      >
        <option value="">{words.everyLanguage}</option>
        {languages.map((language) => (
          <option key={language}>{language}</option>
        ))}
      </select>
      <select
        aria-label={words.postKind}
        value={filter.kind}
        onChange={(event) => setFilter({ ...filter, kind: event.currentTarget.value })}
      >
        <option value="">{words.everyKind}</option>
        {Object.entries(words.postKinds).map(([kind, name]) => (
          <option key={kind} value={kind}>
            {name}
          </option>
        ))}
      </select>
    </div>
  )
  return (
    <Card id="queue-title" title={words.queue} aside={aside}>
      <Alert text={problem} />
      {shown === undefined && !problem && <Skeleton rows={4} />}
      {shown?.length === 0 && <p class="muted">{words.emptyQueue}</p>}
      <ul class="rows">
        {shown?.map((post) => (
          <QueuedPost
            key={post.id}
            post={post}
            author={named(post.author_id)}
            isMine={post.author_id === me}
            decide={decide}
          />
        ))}
      </ul>
    </Card>
  )
}

function QueuedPost(props: {
  post: Post
  author: string
  isMine: boolean
  decide(post: Post, decision: Decision): void
}) {
  const { post, author, isMine, decide } = props
  const { words, time } = useSpeech()
  const [reason, setReason] = useState<string | null>(null)
  const field = useRef<HTMLInputElement>(null)
  const opener = useRef<HTMLButtonElement>(null)

  function reject(event: Event) {
    event.preventDefault()
    decide(post, { status: 'rejected', reason: reason ?? '' })
  }
  return (
    <li class="post" id={`post-${post.id}`} tabIndex={-1}>
      <span>
        <strong>{post.title}</strong>
        <small class="muted">
          {words.postKinds[post.kind] ?? post.kind} ·{' '}
          {[post.language, post.dialect].filter(Boolean).join(', ')} · {words.by(author)} ·{' '}
          {time(post.created_at)}
        </small>
      </span>
      {post.body && <blockquote lang={post.language}>{post.body}</blockquote>}
      <Media url={post.media_url} kind={post.kind} title={post.title} />
      {isMine && <p class="muted">{words.ownPost}</p>}
      {!isMine && reason === null && (
        <div class="buttons">
          <button type="button" onClick={() => decide(post, { status: 'approved' })}>
            {words.approve}
            <span class="hidden"> {post.title}</span>
          </button>
          <button
            type="button"
            class="quiet"
            ref={opener}
            onClick={() => {
              setReason('')
              focusSoon(field)
            }}
          >
            {words.reject}
            <span class="hidden"> {post.title}</span>
          </button>
        </div>
      )}
      {!isMine && reason !== null && (
        <form onSubmit={reject}>
          <label>
            {words.reason}
            <input
              ref={field}
              required
              maxLength={500}
              placeholder={words.why}
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
          <div class="buttons">
            <button type="submit">
              {words.reject}
              <span class="hidden"> {post.title}</span>
            </button>
            <button
              type="button"
              class="quiet"
              onClick={() => {
                setReason(null)
                focusSoon(opener)
              }}
            >
              {words.cancel}
            </button>
          </div>
        </form>
      )}
    </li>
  )
}
