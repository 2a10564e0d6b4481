import { afterEach, expect, test, vi } from 'vitest'
import { newIdempotencyKey } from '../src/index.js'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const { crypto } = globalThis

afterEach(() => vi.unstubAllGlobals())

test('a key is a random UUID', () => {
  expect(newIdempotencyKey()).toMatch(UUID)
  expect(newIdempotencyKey()).not.toBe(newIdempotencyKey())
})

test('without crypto.randomUUID, as in React Native, it is made of random bytes', () => {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) })
  const keys = new Set(Array.from({ length: 100 }, newIdempotencyKey))
  expect(keys.size).toBe(100)
  for (const key of keys) expect(key).toMatch(UUID)
})

test('without a source of random bytes there is none', () => {
  vi.stubGlobal('crypto', undefined)
  expect(newIdempotencyKey).toThrow('react-native-get-random-values')
})
