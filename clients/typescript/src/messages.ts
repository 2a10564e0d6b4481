import type { Problem } from './errors.js'

/** What to tell people, by code. `other` is for codes that are newer than the table. */
export type Messages = Readonly<Record<string, string> & { other: string }>

/** What to tell people, in English. */
export const ENGLISH: Messages = {
  other: 'Something went wrong. Please try again later.',
  network_error: 'There is no connection. Try again: nothing is paid twice.',
  aborted: 'It was interrupted. Try again: nothing is paid twice.',
  unexpected_answer: 'The network answered in place of LinguaLink. Are you signed in to this Wi-Fi?',
  not_sent: 'This device could not send the request.',
  unavailable: 'LinguaLink is not available right now. Try again in a moment: nothing is paid twice.',
  internal_error: 'Something went wrong on our side. Try again: nothing is paid twice.',
  rate_limited: 'That was too often. Wait a moment, then try again.',
  missing_token: 'Please sign in.',
  invalid_token: 'Please sign in again.',
  expired_token: 'Please sign in again.',
  session_revoked: 'You were signed out. Please sign in again.',
  forbidden: 'You are not allowed to do that.',
  own_post: 'You can not decide on your own post.',
  banned: 'Your account is blocked. You can still look at everything.',
  anonymous_session: 'Create an account to do that.',
  mfa_required: 'Confirm it is you with your second factor first.',
  last_admin: 'This is the last admin.',
  client_not_allowed: 'This app is not allowed to do that.',
  voting_closed: 'The vote is over.',
  not_found: 'That does not exist.',
  post_not_found: 'That post does not exist any more.',
  user_not_found: 'That person does not exist.',
  withdrawal_not_found: 'That withdrawal does not exist.',
  transaction_not_found: 'That transaction does not exist.',
  approval_not_found: 'That does not wait for approval any more.',
  insufficient_funds: 'Your balance is too low.',
  balance_limit: 'The balance would become too high.',
  below_minimum: 'The amount is below the minimum.',
  daily_limit: 'That is more than you may move in one day.',
  withdrawal_already_settled: 'That withdrawal is settled already.',
  already_reversed: 'That was taken back already.',
  claimed: 'Somebody else is looking at that post.',
  already_voted: 'You have voted already.',
  idempotency_key_in_progress: 'The same payment is still under way. Try again: nothing is paid twice.',
  idempotency_key_reused: 'That payment was changed. Please start it again.',
  idempotency_key_missing: 'This app has made a mistake. Please update it.',
  idempotency_key_invalid: 'This app has made a mistake. Please update it.',
  version_mismatch: 'It has changed in the meantime. Look at it again.',
  precondition_required: 'Look at it again before you decide.',
  invalid_amount: 'Enter an amount such as 12.50.',
  invalid_request: 'Something that was entered does not fit.',
  invalid_cursor: 'The list has changed. Load it again.',
  body_too_large: 'That is too long.',
  uri_too_long: 'That is too long.',
  headers_too_large: 'That is too long.',
  method_not_allowed: 'This app has made a mistake. Please update it.',
  unsupported_media_type: 'This app has made a mistake. Please update it.',
}

/** The same in French. */
export const FRENCH: Messages = {
  other: 'Un problème est survenu. Réessayez plus tard.',
  network_error: 'Pas de connexion. Réessayez : rien n’est payé deux fois.',
  aborted: 'L’opération a été interrompue. Réessayez : rien n’est payé deux fois.',
  unexpected_answer: 'Le réseau a répondu à la place de LinguaLink. Êtes-vous connecté à ce Wi-Fi ?',
  not_sent: 'Cet appareil n’a pas pu envoyer la demande.',
  unavailable: 'LinguaLink est indisponible. Réessayez dans un instant : rien n’est payé deux fois.',
  internal_error: 'Un problème est survenu chez nous. Réessayez : rien n’est payé deux fois.',
  rate_limited: 'C’était trop souvent. Attendez un instant, puis réessayez.',
  missing_token: 'Connectez-vous.',
  invalid_token: 'Reconnectez-vous.',
  expired_token: 'Reconnectez-vous.',
  session_revoked: 'Vous avez été déconnecté. Reconnectez-vous.',
  forbidden: 'Vous n’en avez pas le droit.',
  own_post: 'Vous ne pouvez pas juger votre propre contribution.',
  banned: 'Votre compte est bloqué. Vous pouvez encore tout consulter.',
  anonymous_session: 'Créez un compte pour faire cela.',
  mfa_required: 'Confirmez d’abord votre identité avec le second facteur.',
  last_admin: 'C’est le dernier administrateur.',
  client_not_allowed: 'Cette application n’en a pas le droit.',
  voting_closed: 'Le vote est terminé.',
  not_found: 'Cela n’existe pas.',
  post_not_found: 'Cette contribution n’existe plus.',
  user_not_found: 'Cette personne n’existe pas.',
  withdrawal_not_found: 'Ce retrait n’existe pas.',
  transaction_not_found: 'Cette opération n’existe pas.',
  approval_not_found: 'Cela n’attend plus d’approbation.',
  insufficient_funds: 'Votre solde est insuffisant.',
  balance_limit: 'Le solde deviendrait trop élevé.',
  below_minimum: 'Le montant est inférieur au minimum.',
  daily_limit: 'Cela dépasse ce que vous pouvez déplacer en un jour.',
  withdrawal_already_settled: 'Ce retrait est déjà réglé.',
  already_reversed: 'Cette opération a déjà été annulée.',
  claimed: 'Quelqu’un d’autre examine cette contribution.',
  already_voted: 'Vous avez déjà voté.',
  idempotency_key_in_progress: 'Le même paiement est en cours. Réessayez : rien n’est payé deux fois.',
  idempotency_key_reused: 'Ce paiement a été modifié. Recommencez-le.',
  idempotency_key_missing: 'Cette application a fait une erreur. Mettez-la à jour.',
  idempotency_key_invalid: 'Cette application a fait une erreur. Mettez-la à jour.',
  version_mismatch: 'Cela a changé entre-temps. Regardez à nouveau.',
  precondition_required: 'Regardez à nouveau avant de décider.',
  invalid_amount: 'Saisissez un montant tel que 12,50.',
  invalid_request: 'Une des saisies ne convient pas.',
  invalid_cursor: 'La liste a changé. Rechargez-la.',
  body_too_large: 'C’est trop long.',
  uri_too_long: 'C’est trop long.',
  headers_too_large: 'C’est trop long.',
  method_not_allowed: 'Cette application a fait une erreur. Mettez-la à jour.',
  unsupported_media_type: 'Cette application a fait une erreur. Mettez-la à jour.',
}

/**
 * A problem in words for whoever uses the app. `detail` is for developers: do not show it.
 *
 * ```ts
 * messageFor(error, { ...ENGLISH, insufficient_funds: 'You need more points.' })
 * ```
 */
export function messageFor(problem: Pick<Problem, 'code'>, messages: Messages = ENGLISH): string {
  return messages[problem.code] ?? messages.other
}
