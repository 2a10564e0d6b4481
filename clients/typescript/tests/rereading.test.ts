import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { Rereading } from '../src/rereading.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function rereading(options: { isLive?: boolean; succeeds?: boolean } = {}) {
  const read = vi.fn(async () => options.succeeds ?? true)
  const made = new Rereading(read, () => options.isLive ?? false)
  onTestFinished(() => made.stop())
  return { read, made, options }
}

test.each([
  ['every minute while live', { isLive: true }, 60_000],
  ['every half a minute while not', { isLive: false }, 30_000],
  ['after ten seconds where it failed', { succeeds: false }, 10_000],
])('it reads at once, and %s', async (_, options, interval) => {
  const { read, made } = rereading(options)
  made.start()
  await vi.advanceTimersByTimeAsync(interval - 1)
  expect(read).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(read).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(interval)
  expect(read).toHaveBeenCalledTimes(3)
})

test('who asks while a read is under way gets one that begins afterwards, shared by all who ask', async () => {
  const answers: ((succeeded: boolean) => void)[] = []
  const read = vi.fn(() => new Promise<boolean>((resolve) => answers.push(resolve)))
  const made = new Rereading(read, () => true)
  made.start()
  const asked = Promise.all([made.now(), made.now(), made.now()])
  expect(read).toHaveBeenCalledTimes(1)
  answers[0]?.(true)
  await vi.advanceTimersByTimeAsync(0)
  expect(read).toHaveBeenCalledTimes(2)
  answers[1]?.(true)
  await asked
  made.stop()
})

test('once stopped it reads no more', async () => {
  const { read, made } = rereading()
  made.start()
  await vi.advanceTimersByTimeAsync(0)
  made.stop()
  await made.now()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(read).toHaveBeenCalledTimes(1)
})
