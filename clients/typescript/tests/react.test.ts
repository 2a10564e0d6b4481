// @vitest-environment happy-dom
import { act, createElement, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type Payment, usePayment, useWallet, type Wallet } from '../src/react.js'
import { type FakeWallet, fakeWallet } from '../src/testing.js'

const RECIPIENT = '7b0f5a4e-0000-4000-8000-000000000009'
const body = { recipient_id: RECIPIENT, amount: '4.00' }

beforeAll(() => void vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true))
beforeEach(() => localStorage.clear())

/** Render what a hook gives, in StrictMode, until the test ends. */
async function render<Given>(useHook: () => Given): Promise<{ now(): Given; unmount(): Promise<void> }> {
  const given: Given[] = []
  const Component = () => {
    given.push(useHook())
    return null
  }
  const root = createRoot(document.createElement('div'))
  const unmount = () => act(async () => root.unmount())
  await act(async () => root.render(createElement(StrictMode, null, createElement(Component))))
  onTestFinished(unmount)
  return { now: () => given.at(-1) as Given, unmount }
}

const settle = () => act(() => new Promise((resolve) => setTimeout(resolve, 20)))

/** Let things happen until it is so. The test's timeout is the limit. */
async function until(holds: () => boolean): Promise<void> {
  do await settle()
  while (!holds())
}

test('useWallet shows the balance, live, and forgets who signed out', async () => {
  const wallet = fakeWallet({ balance: '10.00' })
  const { now } = await render<Wallet>(() => useWallet(wallet.backend))
  await until(() => now().status === 'live')
  expect(now()).toMatchObject({ balance: '10.00', currency: 'USD', status: 'live', problem: null })
  await act(async () => wallet.move('bonus', '1.50'))
  expect(now().balance).toBe('11.50')
  await act(async () => wallet.signOut())
  expect(now()).toMatchObject({ balance: null, userId: null, status: 'signed_out' })
})

test('in StrictMode, with several components, there is one connection, and none after the last', async () => {
  const wallet = fakeWallet()
  const server = Reflect.get(wallet, 'realtime')
  const join = vi.spyOn(Object.getPrototypeOf(server), 'join')
  const screens = [
    await render(() => useWallet(wallet.backend)),
    await render(() => useWallet(wallet.backend)),
  ]
  await until(() => Reflect.get(server, 'joined').size > 0)
  expect(join).toHaveBeenCalledTimes(1)
  for (const { unmount } of screens) await unmount()
  await until(() => Reflect.get(server, 'joined').size === 0)
  join.mockRestore()
})

function renderPayment(wallet: FakeWallet) {
  const path = '/wallet/transfers'
  return render<Payment<typeof path>>(() =>
    usePayment({ backend: wallet.backend, path, storage: localStorage }),
  )
}

test('usePayment tells what became of a payment', async () => {
  const wallet = fakeWallet({ balance: '5.00' })
  const { now } = await renderPayment(wallet)
  expect(now().status).toBe('idle')
  await act(async () => void (await now().submit({ body })))
  expect(now()).toMatchObject({ status: 'paid', data: { balance: '1.00' } })
  await act(async () => void (await now().submit({ body })))
  expect(now()).toMatchObject({ status: 'refused', error: { code: 'insufficient_funds' } })
  await act(async () => now().reset())
  expect(now().status).toBe('idle')
})

test('an unknown outcome is said, and a remount pays with the same key', async () => {
  const wallet = fakeWallet({ balance: '5.00' })
  const first = await renderPayment(wallet)
  wallet.refuse('POST /wallet/transfers', 'unavailable')
  await act(async () => void (await first.now().submit({ body })))
  expect(first.now().status).toBe('unknown')
  const stored = JSON.stringify(localStorage)
  await first.unmount()
  const second = await renderPayment(wallet)
  await act(async () => void (await second.now().submit({ body })))
  expect(second.now().status).toBe('paid')
  expect(stored).toContain('draft')
  expect(localStorage).toHaveLength(0)
})
