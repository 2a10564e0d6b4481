import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ENGLISH, FRENCH, type LocalCode, messageFor } from '../src/index.js'

const document = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'))
const local: Record<LocalCode, true> = {
  network_error: true,
  aborted: true,
  unexpected_answer: true,
  not_sent: true,
}
const codes: string[] = [...document.components.schemas.ProblemCode.enum, ...Object.keys(local)]

test.each([
  ['English', ENGLISH],
  ['French', FRENCH],
])('in %s there are words for every code', (_, messages) => {
  expect(codes.filter((code) => !(code in messages))).toEqual([])
})

test('both languages have the same codes', () => {
  expect(Object.keys(FRENCH)).toEqual(Object.keys(ENGLISH))
})

test('an app may use words of its own', () => {
  const messages = { ...ENGLISH, insufficient_funds: 'You need more points.' }
  expect(messageFor({ code: 'insufficient_funds' }, messages)).toBe('You need more points.')
  expect(messageFor({ code: 'banned' }, messages)).toBe(ENGLISH.banned)
})

test('a code that is newer than the words has the general ones', () => {
  expect(messageFor({ code: 'of_tomorrow' as 'banned' })).toBe(ENGLISH.other)
})
