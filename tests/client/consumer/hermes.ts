// What an app does on React Native's engine, with what React Native lays over it:
// pay once over a lost answer, reckon, prove a ledger. Prints one JSON line.
import 'whatwg-fetch'
import 'abort-controller/polyfill'
import {
  createBackendClient,
  isOutcomeUnknown,
  type LedgerRow,
  Money,
  messageFor,
  paymentAttempt,
  subscribeToWallet,
  verifyLedger,
} from '@lingualink/backend-client'
import { fakeWallet } from '@lingualink/backend-client/testing'

declare const print: (line: string) => void
declare const VECTORS: { rows: { row: Omit<LedgerRow, 'hash'>; hash: string }[] }

async function main(): Promise<void> {
  const items = new Map<string, string>()
  const storage = {
    getItem: async (name: string) => items.get(name) ?? null,
    setItem: async (name: string, value: string) => items.set(name, value),
    removeItem: async (name: string) => items.delete(name),
  }
  const wallet = fakeWallet({ balance: '10.00' })
  const shown: (string | null)[] = []
  const subscription = subscribeToWallet(wallet.backend, ({ balance }) => shown.push(balance))
  const payment = paymentAttempt({ backend: wallet.backend, path: '/wallet/transfers', storage })
  const body = { recipient_id: '7b0f5a4e-0000-4000-8000-000000000009', amount: '4.00' }
  const bare = await payment.submit({ body })
  // In an app react-native-get-random-values brings it, out of native code.
  const getRandomValues = (bytes: Uint8Array) => bytes.map(() => Math.floor(Math.random() * 256))
  Object.assign(globalThis, { crypto: { getRandomValues } })
  wallet.refuse('POST /wallet/transfers', 'unavailable')
  const lost = await payment.submit({ body })
  const paid = await payment.submit({ body })
  await subscription.refresh()
  subscription.cancel()

  const rows = VECTORS.rows.map(({ row, hash }) => ({ ...row, hash })).reverse()
  const [newest] = rows
  const backend = createBackendClient({
    url: 'https://backend.test',
    supabase: wallet.supabase,
    fetch: async ({ url }) => {
      const balance = { user_id: newest?.user_id, balance: newest?.balance_after, version: newest?.version }
      const answer = url.includes('/transactions') ? { items: rows, next_cursor: null } : balance
      return new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } })
    },
  })
  const { data: verdict, error: failure } = await verifyLedger(backend)
  print(
    JSON.stringify({
      bare: bare.error?.code,
      lost: lost.error && [lost.error.code, isOutcomeUnknown(lost.error), messageFor(lost.error).length > 0],
      paid: paid.data?.balance,
      shown: shown[shown.length - 1],
      stored: items.size,
      verdict,
      failure: failure?.detail,
      sum: Money.of('0.1').plus('0.2').toString(),
    }),
  )
}

main().catch((error: Error) => print(`${error.stack ?? error}`))
