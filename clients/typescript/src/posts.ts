import type { BackendClient } from './client.js'
import { type LocalProblem, localProblem } from './errors.js'
import type { EventPayloads } from './generated/events.js'
import { guarded, Limit } from './request.js'
import { Rereading } from './rereading.js'
import { type TopicStatus, topicOf } from './topic.js'

/** A decision on a post of the signed-in user. */
export interface PostValidation {
  postId: string
  status: PostStatus
  /** Why, in the moderator's words. */
  reason: string | null
  /** The post's version after the decision. */
  version: number
  /** What told of it; null where the post was read: after a reconnection, say. */
  event: EventPayloads['post_validation_changed'] | null
}

type PostStatus = EventPayloads['post_validation_changed']['status']

/** What else a subscriber may want to know. */
export interface PostValidationOptions {
  /** Whether decisions arrive as they happen. */
  onStatus?(status: TopicStatus): void
  /** The posts could not be read; it will be tried again. Null once they could. */
  onError?(problem: LocalProblem | null): void
  /** Ends the subscription. */
  signal?: AbortSignal
}

/** A post as the table `posts` has it. */
interface PostRow {
  id: string
  validation_status: PostStatus
  validation_reason: string | null
  version: number
}

/** The part of supabase-js's query builder that is used, whatever the app's `Database` type. */
interface Posts {
  select(columns: string): {
    eq(
      column: string,
      value: string,
    ): {
      order(
        column: string,
        options: { ascending: boolean },
      ): {
        limit(count: number): {
          abortSignal(signal: AbortSignal): PromiseLike<{ data: PostRow[] | null; error: unknown }>
        }
      }
    }
  }
}

const NEWEST = 1_000
const READ_TIMEOUT = 15_000

/**
 * Be told of decisions on the posts of whoever is signed in, each once and never an older one after a newer. What was
 * missed while there was no connection is read from the table `posts` and told then: of the newest thousand posts.
 *
 * @returns a function that ends it.
 */
export function subscribeToPostValidations(
  backend: BackendClient,
  onChange: (validation: PostValidation) => void,
  options: PostValidationOptions = {},
): () => void {
  const follower = new PostFollower(backend, onChange, options)
  options.signal?.addEventListener('abort', follower.cancel)
  if (options.signal?.aborted) follower.cancel()
  return follower.cancel
}

class PostFollower {
  /** What is known of each post. */
  private readonly known = new Map<string, { status: PostStatus; version: number }>()
  private userId: string | null = null
  private status: TopicStatus | undefined
  private hasRead = false
  private problem: LocalProblem | null = null
  private readonly endListening: () => void
  private readonly ended = new AbortController()
  private readonly rereading = new Rereading(
    () => this.read(),
    () => this.status === 'live',
  )

  constructor(
    private readonly backend: BackendClient,
    private readonly onChange: (validation: PostValidation) => void,
    private readonly options: PostValidationOptions,
  ) {
    this.endListening = topicOf(backend.supabase).listen({
      onEvent: (name, payload) => {
        if (name === 'post_validation_changed')
          this.onEvent(payload as EventPayloads['post_validation_changed'])
      },
      onStatus: (status, userId) => this.onStatus(status, userId),
      onDoubt: () => void this.rereading.now(),
    })
  }

  readonly cancel = (): void => {
    this.options.signal?.removeEventListener('abort', this.cancel)
    this.ended.abort()
    this.endListening()
    this.rereading.stop()
  }

  private onStatus(status: TopicStatus, userId: string | null): void {
    const isNews = status !== this.status
    this.status = status
    if (userId !== this.userId) {
      this.userId = userId
      this.known.clear()
      this.hasRead = false
      this.rereading.stop()
      if (userId !== null) this.rereading.start()
    } else if (status === 'live') void this.rereading.now()
    if (isNews) guarded(() => this.options.onStatus?.(status))
  }

  private onEvent(event: EventPayloads['post_validation_changed']): void {
    const { post_id: postId, status, reason, version } = event
    if (version <= (this.known.get(postId)?.version ?? 0)) return
    this.known.set(postId, { status, version })
    guarded(() => this.onChange({ postId, status, reason, version, event }))
  }

  private async read(): Promise<boolean> {
    const { userId } = this
    if (userId === null) return true
    const limit = new Limit(READ_TIMEOUT, this.ended.signal)
    let rows: PostRow[] | null = null
    let failure: unknown
    try {
      const posts = this.backend.supabase.from('posts') as Posts
      const read = posts
        .select('id, validation_status, validation_reason, version')
        .eq('author_id', userId)
        .order('created_at', { ascending: false })
        .limit(NEWEST)
        .abortSignal(limit.signal)
      const answer = await limit.enforce(Promise.resolve(read))
      rows = answer.data
      failure = answer.error
    } catch (cause) {
      failure = cause
    } finally {
      limit.end()
    }
    if (userId !== this.userId || this.ended.signal.aborted) return true
    if (rows) this.take(rows)
    this.tellProblem(rows ? null : localProblem('network_error', 'The posts could not be read.', failure))
    return rows !== null
  }

  /** What was decided before the first read is no news: the app shows the posts as they are. */
  private take(rows: PostRow[]): void {
    const isFirst = !this.hasRead
    this.hasRead = true
    for (const { id, validation_status: status, validation_reason: reason, version } of rows) {
      const known = this.known.get(id)
      if (version <= (known?.version ?? 0)) continue
      this.known.set(id, { status, version })
      // While a post is pending its author's edits raise the version too; afterwards only decisions do.
      const isDecision = status !== 'pending' || known?.status !== 'pending'
      if (isDecision && (known || (!isFirst && status !== 'pending')))
        guarded(() => this.onChange({ postId: id, status, reason, version, event: null }))
    }
  }

  private tellProblem(problem: LocalProblem | null): void {
    if (problem === null && this.problem === null) return
    this.problem = problem
    guarded(() => this.options.onError?.(problem))
  }
}
