import type { components } from './generated/api.js'

/** Why the backend refused a request. New codes may be added: keep a `default` in every `switch`. */
export type ProblemCode = components['schemas']['ProblemCode']

/** Why there is no answer of the backend at all. */
export type LocalCode =
  /** No connection, or no answer in time, after the last retry. What was asked for may have happened all the same. */
  | 'network_error'
  /** The caller's `AbortSignal` ended the request. What was asked for may have happened all the same. */
  | 'aborted'
  /** Something between the app and the backend answered in its place: a proxy's or a captive portal's page, say. */
  | 'unexpected_answer'
  /** The request could not even be made: a header that no request may carry, no source of random bytes. `cause` tells. */
  | 'not_sent'

type Document = components['schemas']['Problem']
type WithCode<Code> = Code extends string ? Omit<Document, 'code'> & { code: Code } : never

/** A refusal of the backend: an RFC 9457 problem document. Tell them apart by `code`. */
export type BackendProblem = WithCode<ProblemCode>

/**
 * A failure on the way to the backend, in the same form. Its `status` is that of the answer that came in the backend's
 * place, and 0 where nothing answered; `cause` is what the platform threw.
 */
export type LocalProblem = WithCode<LocalCode> & { cause?: unknown }

/** Everything that can go wrong, as a union discriminated by `code`. */
export type Problem = BackendProblem | LocalProblem

/** The problem with one code, or with one of several. */
export type ProblemOf<Code extends Problem['code']> = Extract<Problem, { code: Code }>

const UNKNOWN_OUTCOMES: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'network_error',
  'aborted',
  'unexpected_answer',
  'unavailable',
  'internal_error',
  'idempotency_key_in_progress',
])

/**
 * Whether what was asked for may have happened although the answer is a problem. Ask again with the same key, and say
 * so: never "it failed", never with a new key.
 *
 * A refusal leaves it open too where an attempt before it was lost and the refusal says nothing about that one: the
 * token expired between the two, say.
 */
export function isOutcomeUnknown(problem: { code: string; status: number }): boolean {
  return UNKNOWN_OUTCOMES.has(problem.code) || problem.status >= 500 || LOST_BEFORE in problem
}

/** The member that the client adds to a refusal that came after an attempt whose answer was lost. */
export const LOST_BEFORE = 'earlier_attempt_lost'

/**
 * A {@link Problem} as an `Error`, for code that throws. A union discriminated by `code`: once that is known, `problem`
 * is narrowed with it.
 */
export type LinguaLinkError<P extends Problem = Problem> = P extends Problem
  ? Error & { readonly name: 'LinguaLinkError'; readonly code: P['code']; readonly problem: P }
  : never

class ThrownProblem extends Error {
  override readonly name = 'LinguaLinkError'
  readonly code: Problem['code']

  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`, 'cause' in problem ? { cause: problem.cause } : undefined)
    this.code = problem.code
  }
}

export const LinguaLinkError = ThrownProblem as unknown as {
  new <P extends Problem>(problem: P): LinguaLinkError<P>
  readonly prototype: LinguaLinkError
}

/**
 * Whether something thrown is a {@link LinguaLinkError}, of whichever copy of this package. Name the problems of a route
 * to have only its codes:
 *
 * ```ts
 * if (isLinguaLinkError<RouteProblem<'post', '/wallet/transfers'>>(error)) switch (error.code) { … }
 * ```
 */
export function isLinguaLinkError<P extends Problem = Problem>(
  thrown: unknown,
): thrown is LinguaLinkError<P> {
  return thrown instanceof Error && thrown.name === 'LinguaLinkError' && 'problem' in thrown
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

/** A failure on the way, as a problem. */
export function localProblem(code: LocalCode, detail: string, cause?: unknown, status = 0): LocalProblem {
  const title = code.replaceAll('_', ' ')
  const problem: LocalProblem = { type: 'about:blank', title, status, detail, code, request_id: '' }
  return cause === undefined ? problem : { ...problem, cause }
}
