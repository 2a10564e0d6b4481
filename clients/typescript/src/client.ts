import createOpenApiClient, { type Client } from 'openapi-fetch'
import type { LocalProblem } from './errors.js'
import type { paths } from './generated/api.js'
import { IDEMPOTENCY_KEY, newIdempotencyKey } from './idempotency.js'
import { DEFAULT_RETRY, type RetryPolicy, resilientFetch } from './retry.js'
import type { Supabase } from './supabase.js'

/** The key may be left out: the client makes one. */
type Keyless<Headers> = typeof IDEMPOTENCY_KEY extends keyof Headers
  ? Omit<Headers, typeof IDEMPOTENCY_KEY> & Partial<Pick<Headers, typeof IDEMPOTENCY_KEY>>
  : Headers

type Operation<Documented> = Documented extends { parameters: infer Parameters; responses: infer Responses }
  ? Omit<Documented, 'parameters' | 'responses'> & {
      parameters: Parameters extends { header: infer Headers }
        ? Omit<Parameters, 'header'> & { header?: Keyless<Headers> }
        : Parameters
      responses: Responses & { default: { content: { 'application/problem+json': LocalProblem } } }
    }
  : Documented

/** The routes of the backend as the client takes them: keys are optional, and the network may fail. */
export type BackendPaths = {
  [Path in keyof paths]: { [Method in keyof paths[Path]]: Operation<paths[Path][Method]> }
}

/** What {@link createBackendClient} takes. */
export interface BackendOptions {
  /** Where the backend answers, such as `https://api.example.org`. */
  url: string
  /** The app's Supabase client. Its session's current access token goes along with every request. */
  supabase: Supabase
  /** Changes to {@link DEFAULT_RETRY}. */
  retry?: Partial<RetryPolicy>
  /** In place of `globalThis.fetch`. */
  fetch?: (request: Request, init?: RequestInit) => Promise<Response>
}

/** A typed client: `GET`, `POST`, `PUT` and `DELETE` by path, each answering `{ data }` or `{ error }`, never rejecting. */
export type BackendClient = Client<BackendPaths> & {
  /** The client that it signs in with. */
  readonly supabase: Supabase
}

/**
 * A client of the LinguaLink backend.
 *
 * ```ts
 * const backend = createBackendClient({ url: 'https://api.example.org', supabase })
 * const { data, error } = await backend.POST('/wallet/transfers', { body: { recipient_id, amount: '12.50' } })
 * if (error?.code === 'insufficient_funds') …
 * ```
 */
export function createBackendClient(options: BackendOptions): BackendClient {
  const { url, supabase } = options
  const fetch = options.fetch ?? ((request, init) => globalThis.fetch(request, init))
  const client = createOpenApiClient<BackendPaths>({
    baseUrl: url,
    fetch: resilientFetch(supabase, { ...DEFAULT_RETRY, ...options.retry }, fetch),
  })
  client.use({
    onRequest({ request }) {
      if (request.method === 'POST' && !request.headers.has(IDEMPOTENCY_KEY)) {
        request.headers.set(IDEMPOTENCY_KEY, newIdempotencyKey())
      }
    },
  })
  return Object.assign(client, { supabase })
}
