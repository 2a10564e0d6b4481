import createOpenApiClient, {
  type Client,
  type FetchResponse,
  type HeadersOptions,
  type Middleware,
  type ParamsOption,
  type RequestBodyOption,
} from 'openapi-fetch'
import type { LocalProblem } from './errors.js'
import type { paths } from './generated/api.js'
import type { IDEMPOTENCY_KEY } from './idempotency.js'
import {
  type CallOptions,
  DEFAULT_RETRY,
  DEFAULT_TIMEOUT,
  perform,
  type Result,
  type RetryPolicy,
  type Sender,
} from './request.js'
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

type Method = 'get' | 'put' | 'post' | 'delete'

/** The paths that have a method. */
export type PathOf<M extends Method> = {
  [Path in keyof BackendPaths]: BackendPaths[Path] extends { [_ in M]: { responses: unknown } } ? Path : never
}[keyof BackendPaths]

type OperationOf<M extends Method, Path extends PathOf<M>> = BackendPaths[Path][M] & Record<string, unknown>

/** To approve is to approve what was seen: the version has to be named. Every other decision may do without. */
type Seen<Path, Init> = Path extends '/vault/posts/{post_id}/validation'
  ?
      | (Init & { params: { header: { 'If-Match': string } } })
      | (Init & { body: { status: 'rejected' | 'pending' } })
  : Init

/** What a call takes: the route's parameters and body, nothing unknown, and {@link CallOptions}. */
export type CallInit<M extends Method, Path extends PathOf<M>> = Seen<
  Path,
  CallOptions & { headers?: HeadersOptions } & ParamsOption<OperationOf<M, Path>> &
    RequestBodyOption<OperationOf<M, Path>>
>

/** What a call comes to: `data` or `error`, and the response. */
export type CallAnswer<M extends Method, Path extends PathOf<M>, As = 'json'> = FetchResponse<
  OperationOf<M, Path>,
  { parseAs: As },
  `${string}/${string}`
>

/** Every problem that a route may answer, those on the way included. */
export type RouteProblem<M extends Method, Path extends PathOf<M>> = Extract<
  NonNullable<CallAnswer<M, Path>['error']>,
  { code: string }
>

type InitArguments<Init> = Record<never, never> extends Init ? [init?: Init] : [init: Init]

/** A call of one method, by path. Never rejects. */
export type Call<M extends Method> = <Path extends PathOf<M>, As extends 'json' | 'text' = 'json'>(
  path: Path,
  ...init: InitArguments<CallInit<M, Path> & { parseAs?: As }>
) => Promise<CallAnswer<M, Path, As>>

/** What {@link createBackendClient} takes. */
export interface BackendOptions {
  /** Where the backend answers, such as `https://api.example.org`. */
  url: string
  /** The app's Supabase client. Its session's current access token goes along with every request. */
  supabase: Supabase
  /** Milliseconds until a request has ended, its retries included; 30,000 by default. */
  timeout?: number
  /** Changes to {@link DEFAULT_RETRY}. */
  retry?: Partial<RetryPolicy>
  /** In place of `globalThis.fetch`. */
  fetch?: (request: Request, init?: RequestInit) => Promise<Response>
}

/** A typed client: a call by method and path answers `{ data }` or `{ error }`, and never rejects. */
export interface BackendClient {
  GET: Call<'get'>
  PUT: Call<'put'>
  POST: Call<'post'>
  DELETE: Call<'delete'>
  /** Add middleware of openapi-fetch. */
  use(...middleware: Middleware[]): void
  /** Take it away again. */
  eject(...middleware: Middleware[]): void
  /** The client that it signs in with. */
  readonly supabase: Supabase
  /** The same client in openapi-fetch's own types, for libraries that build on those, such as openapi-react-query. */
  readonly openapi: Client<BackendPaths>
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
  const { supabase } = options
  const sender: Sender = {
    supabase,
    fetch: options.fetch ?? ((request, init) => globalThis.fetch(request, init)),
    timeout: options.timeout ?? DEFAULT_TIMEOUT,
    retry: { ...DEFAULT_RETRY, ...options.retry },
  }
  const inner = createOpenApiClient<BackendPaths>({ baseUrl: options.url })
  const request = inner.request as unknown as (method: string, path: string, init: object) => Promise<Result>
  const call =
    (method: string) =>
    (path: string, { timeout, retry, onRetry, signal, ...init }: CallOptions = {}) =>
      perform(sender, { timeout, retry, onRetry, signal }, (fetch) =>
        request(method, path, { ...init, fetch }),
      )
  const calls = {
    GET: call('get'),
    PUT: call('put'),
    POST: call('post'),
    DELETE: call('delete'),
    HEAD: call('head'),
    OPTIONS: call('options'),
    PATCH: call('patch'),
    TRACE: call('trace'),
    request: (method: string, path: string, init?: CallOptions) => call(method)(path, init),
  }
  const { use, eject } = inner
  const openapi = { ...calls, use, eject } as unknown as Client<BackendPaths>
  return Object.assign(
    { supabase, openapi, use, eject },
    calls as unknown as Pick<BackendClient, 'GET'>,
  ) as BackendClient
}
