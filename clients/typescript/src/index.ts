/** The typed client of the LinguaLink backend. See README.md. */
export { type BackendClient, type BackendOptions, type BackendPaths, createBackendClient } from './client.js'
export {
  type BackendProblem,
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
export { type PagedPath, paginate } from './pages.js'
export { type PostValidation, subscribeToPostValidations } from './posts.js'
export { DEFAULT_RETRY, type RetryPolicy } from './retry.js'
export type { Supabase } from './supabase.js'
export type { EventName, TopicStatus } from './topic.js'
export {
  subscribeToWallet,
  type WalletChange,
  type WalletSubscription,
  type WalletSubscriptionOptions,
} from './wallet.js'
