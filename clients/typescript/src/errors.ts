import type { components } from './generated/api.js'

/** Why the backend refused a request. New codes may be added: keep a `default` in every `switch`. */
export type ProblemCode = components['schemas']['ProblemCode']

/** Why there is no answer from the backend at all. */
export type LocalCode =
  /** No connection, or no answer in time, after the last retry. What was asked for may have happened all the same. */
  | 'network_error'
  /** The caller's `AbortSignal` ended the request. What was asked for may have happened all the same. */
  | 'aborted'
  /** Something between the app and the backend answered in its place (a proxy's page, say). */
  | 'unexpected_answer'

type Document = components['schemas']['Problem']
type WithCode<Code> = Code extends string ? Omit<Document, 'code'> & { code: Code } : never

/** A refusal of the backend: an RFC 9457 problem document. Tell them apart by `code`. */
export type BackendProblem = WithCode<ProblemCode>

/** A failure on the way to the backend, in the same form; its `status` is 0 where nothing answered. */
export type LocalProblem = WithCode<LocalCode>

/** Everything that can go wrong, as a union discriminated by `code`. */
export type Problem = BackendProblem | LocalProblem

/** The problem with one code, or with one of several. */
export type ProblemOf<Code extends Problem['code']> = Extract<Problem, { code: Code }>

/** A {@link Problem} as an `Error`, for code that throws. */
export class LinguaLinkError extends Error {
  override readonly name = 'LinguaLinkError'

  constructor(
    /** The whole problem document. */
    readonly problem: Problem,
  ) {
    super(`${problem.code}: ${problem.detail}`)
  }

  /** The stable code of the problem. */
  get code(): Problem['code'] {
    return this.problem.code
  }
}

/**
 * The data of an answer.
 *
 * @throws {@link LinguaLinkError} where the answer is a problem.
 */
export function unwrap<Data>(answer: { data?: Data; error?: unknown }): Data {
  if (answer.error !== undefined) throw new LinguaLinkError(answer.error as Problem)
  return answer.data as Data
}

const LOCAL_STATUS = 599

/** A response that carries a local problem, for whoever reads responses. */
export function localResponse(code: LocalCode, detail: string, status = 0): Response {
  const problem: LocalProblem = {
    type: 'about:blank',
    title: code.replaceAll('_', ' '),
    status,
    detail,
    code,
    request_id: '',
  }
  return new Response(JSON.stringify(problem), {
    status: status >= 400 ? status : LOCAL_STATUS,
    headers: { 'Content-Type': 'application/problem+json' },
  })
}
