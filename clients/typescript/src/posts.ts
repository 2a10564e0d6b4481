import type { EventPayloads } from './generated/events.js'
import type { Supabase } from './supabase.js'
import { listen } from './topic.js'

/** A moderator's decision on a post of the signed-in user. */
export type PostValidation = EventPayloads['post_validation_changed']

/**
 * Be told of decisions on the posts of whoever is signed in, each once and never an older one after a newer. What was
 * decided while there was no connection is in the table `posts`: read it when `onStatus` of the wallet says `live`.
 *
 * @returns a function that ends it.
 */
export function subscribeToPostValidations(
  supabase: Supabase,
  onChange: (validation: PostValidation) => void,
): () => void {
  const versions = new Map<string, number>()
  return listen(supabase, {
    onEvent(name, payload) {
      if (name !== 'post_validation_changed') return
      const validation = payload as PostValidation
      if (validation.version <= (versions.get(validation.post_id) ?? 0)) return
      versions.set(validation.post_id, validation.version)
      onChange(validation)
    },
    onStatus() {},
  })
}
