import type { CallAnswer, PathOf } from '../client.js'
import type { BackendProblem, ProblemCode, ProblemOf } from '../errors.js'
import { ROUTES } from '../generated/fixtures.js'

/** A route as `GET /wallet`. */
export type RouteName = keyof typeof ROUTES

/** What a route answers when it succeeds. */
export type AnswerOf<Name extends RouteName> = Name extends `${infer Method} ${infer Path}`
  ? Lowercase<Method> extends infer M extends 'get' | 'put' | 'post' | 'delete'
    ? Path extends PathOf<M>
      ? NonNullable<CallAnswer<M, Path>['data']>
      : never
    : never
  : never

/** A new answer of a route, as the OpenAPI document describes it, with changes of yours. */
export function answerFixture<Name extends RouteName>(
  route: Name,
  changes: Partial<AnswerOf<Name>> = {},
): AnswerOf<Name> {
  return { ...structured(ROUTES[route].body), ...changes } as AnswerOf<Name>
}

const STATUSES = new Map<string, number>(
  Object.values(ROUTES).flatMap(({ problems }) => Object.entries(problems) as [string, number][]),
)

/** A problem document with a code, as the backend words it. */
export function problemFixture<Code extends ProblemCode>(
  code: Code,
  changes: Partial<BackendProblem> = {},
): ProblemOf<Code> {
  const title = code.replaceAll('_', ' ')
  const type = `https://lingualink.app/problems/${code}`
  const status = STATUSES.get(code) ?? 400
  const problem = {
    type,
    title,
    status,
    detail: `A test answers ${code}.`,
    request_id: 'a-test',
    ...changes,
    code,
  }
  return problem as unknown as ProblemOf<Code>
}

/** What is used of msw (2 or newer), so that this package need not depend on a version of it. */
export interface MswLibrary<Handler> {
  http: Record<'get' | 'put' | 'post' | 'delete', (url: string, resolver: () => Response) => Handler>
}

/**
 * A handler for every route that answers its fixture. A later handler of yours goes before them: `server.use(…)`.
 *
 * ```ts
 * import { http } from 'msw'
 * import { setupServer } from 'msw/node'
 * const server = setupServer(...mswHandlers({ http }, 'https://api.example.org'))
 * ```
 */
export function mswHandlers<Handler>(msw: MswLibrary<Handler>, url: string): Handler[] {
  return (Object.keys(ROUTES) as RouteName[]).map((route) => {
    const { status, body } = ROUTES[route]
    return handler(msw, url, route, () => jsonResponse(status, body, 'application/json'))
  })
}

/** A handler that answers a route with a problem. */
export function mswProblem<Handler>(
  msw: MswLibrary<Handler>,
  url: string,
  route: RouteName,
  code: ProblemCode,
  changes: Partial<BackendProblem> = {},
): Handler {
  return handler(msw, url, route, () => problemResponse(problemFixture(code, changes)))
}

function handler<Handler>(
  { http }: MswLibrary<Handler>,
  url: string,
  route: RouteName,
  resolver: () => Response,
): Handler {
  const [method = '', path = ''] = route.split(' ')
  return http[method.toLowerCase() as 'get'](url + path.replace(/\{(\w+)\}/g, ':$1'), resolver)
}

/** A response with a problem. */
export function problemResponse(problem: { status: number }): Response {
  return jsonResponse(problem.status, problem, 'application/problem+json')
}

/** A response with a body of JSON. */
export function jsonResponse(status: number, body: unknown, type = 'application/json'): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': type } })
}

function structured(body: unknown): object {
  return JSON.parse(JSON.stringify(body)) as object
}
