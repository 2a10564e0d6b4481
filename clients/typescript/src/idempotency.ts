/** The header that makes a retry safe. */
export const IDEMPOTENCY_KEY = 'Idempotency-Key'

/**
 * A new idempotency key: a random UUID (RFC 9562, version 4).
 *
 * The client makes one for every POST and keeps it through its own retries. Make one yourself where a retry may
 * come from elsewhere (the user presses the button again, the app starts anew): store it beside the draft, send
 * it with each attempt, and drop it when the outcome is known.
 *
 * React Native has no `crypto.randomUUID`, and browsers have it in secure contexts only: there the key is made from
 * `crypto.getRandomValues`. React Native gets that from the package `react-native-get-random-values`.
 *
 * @throws Error where neither exists: a guessable key would be worse than none.
 */
export function newIdempotencyKey(): string {
  const crypto: Partial<Crypto> | undefined = globalThis.crypto
  if (crypto?.randomUUID) return crypto.randomUUID()
  if (!crypto?.getRandomValues) {
    throw new Error('crypto.getRandomValues is missing: import "react-native-get-random-values" first')
  }
  return uuidOf(crypto.getRandomValues(new Uint8Array(16)))
}

function uuidOf(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte, index) => {
    const marked = index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte
    return marked.toString(16).padStart(2, '0')
  }).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
