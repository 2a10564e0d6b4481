/** The typed client of the LinguaLink backend. See README.md. */
export {
  type BackendClient,
  type BackendOptions,
  type BackendPaths,
  type CallAnswer,
  type CallInit,
  createBackendClient,
  type PathOf,
  type RouteProblem,
} from './client.js'
export {
  type BackendProblem,
  isLinguaLinkError,
  isOutcomeUnknown,
  LinguaLinkError,
  type LocalCode,
  type LocalProblem,
  type Problem,
  type ProblemCode,
  type ProblemOf,
  unwrap,
} from './errors.js'
export type * from './generated/api.js'
export type { EventPayloads } from './generated/events.js'
export { newIdempotencyKey } from './idempotency.js'
export {
  type LedgerFault,
  type LedgerRow,
  type LedgerVerdict,
  rowHash,
  type VerifyLedgerOptions,
  verifyLedger,
} from './ledger.js'
export { ENGLISH, FRENCH, type Messages, messageFor } from './messages.js'
export { Money } from './money.js'
export { type PagedPath, paginate } from './pages.js'
export {
  type PaymentAttempt,
  type PaymentAttemptOptions,
  type PaymentDraft,
  type PaymentPath,
  type PaymentStorage,
  paymentAttempt,
} from './payments.js'
export { type PostValidation, type PostValidationOptions, subscribeToPostValidations } from './posts.js'
export { type CallOptions, DEFAULT_RETRY, DEFAULT_TIMEOUT, type Retry, type RetryPolicy } from './request.js'
export type { Supabase } from './supabase.js'
export type { EventName, TopicStatus } from './topic.js'
export {
  subscribeToWallet,
  type WalletBalance,
  type WalletChange,
  type WalletCleared,
  type WalletState,
  type WalletSubscription,
  type WalletSubscriptionOptions,
} from './wallet.js'
