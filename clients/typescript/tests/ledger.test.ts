/** A user's app notices when a single old row was changed, removed or added. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  type BackendClient,
  createBackendClient,
  type LedgerRow,
  rowHash,
  verifyLedger,
} from '../src/index.js'
import { fakeWallet } from '../src/testing.js'
import { give, signUp } from './people.js'

interface Vector {
  row: Omit<LedgerRow, 'hash'>
  hash: string
}

const vectors: { rows: Vector[] } = JSON.parse(
  readFileSync(new URL('../../../docs/ledger-vectors.json', import.meta.url), 'utf8'),
)
const ROWS: LedgerRow[] = vectors.rows.map(({ row, hash }) => ({ ...row, hash }))
const newest = ROWS.at(-1) as LedgerRow

/** A backend that answers with these rows, oldest first, in pages of `limit`. */
function serving(
  rows: LedgerRow[],
  options: { epoch?: number; balance?: string; version?: number; asked?: string[] } = {},
): BackendClient {
  const last = rows.at(-1)
  const descending = [...rows].reverse()
  return createBackendClient({
    url: 'https://backend.test',
    supabase: fakeWallet().supabase,
    fetch: async (request) => {
      options.asked?.push(request.url)
      const { pathname, searchParams } = new URL(request.url)
      const start = Number(searchParams.get('cursor') ?? 0)
      const end = start + 4
      const page = {
        items: descending.slice(start, end),
        next_cursor: end < rows.length ? String(end) : null,
      }
      const balance = options.balance ?? last?.balance_after ?? '0.00'
      const version = options.version ?? last?.version ?? 0
      const wallet = { user_id: newest.user_id, currency: 'USD', balance, version, epoch: options.epoch ?? 1 }
      return Response.json(pathname === '/wallet' ? wallet : page)
    },
  })
}

function memory() {
  const items = new Map<string, string>()
  return {
    getItem: (name: string) => items.get(name) ?? null,
    setItem: (name: string, value: string) => items.set(name, value),
    removeItem: (name: string) => items.delete(name),
  }
}

/** The same rows from the `index`th on, hashed anew as somebody would who owns the database. */
function rehashed(rows: LedgerRow[]): LedgerRow[] {
  let before = '0'.repeat(64)
  return rows.map((row) => {
    before = rowHash(row, before)
    return { ...row, hash: before }
  })
}

test('the hashes are those of the vectors that both languages share', () => {
  expect(rehashed(ROWS).map(({ hash }) => hash)).toEqual(ROWS.map(({ hash }) => hash))
})

test('a ledger that is as it was is valid', async () => {
  const { data } = await verifyLedger(serving(ROWS))
  expect(data).toEqual({ isValid: true, version: newest.version, hash: newest.hash, wasRestored: false })
})

test('a wallet without rows is valid', async () => {
  expect((await verifyLedger(serving([]))).data).toMatchObject({ isValid: true, version: 0, hash: null })
})

const CHANGES: Record<string, (row: LedgerRow) => LedgerRow> = {
  id: (row) => ({ ...row, id: row.id.replace(/.$/, 'f') }),
  user_id: (row) => ({ ...row, user_id: row.user_id.replace(/.$/, 'f') }),
  kind: (row) => ({ ...row, kind: row.kind === 'bonus' ? 'refund' : 'bonus' }),
  amount: (row) => ({ ...row, amount: '0.01' }),
  balance_after: (row) => ({ ...row, balance_after: '0.01' }),
  counterparty_id: (row) => ({ ...row, counterparty_id: '0198c0de-0000-7000-8000-00000000ffff' }),
  reference_id: (row) => ({ ...row, reference_id: '0198c0de-0000-7000-8000-00000000ffff' }),
  created_at: (row) => ({ ...row, created_at: '2026-01-02T03:04:06.000000Z' }),
  version: (row) => ({ ...row, version: row.version + 1 }),
  hash: (row) => ({ ...row, hash: row.hash.replace(/^../, row.hash.startsWith('00') ? '01' : '00') }),
}

test('every field of a row that the backend answers has a change, but the note, which may be blanked', () => {
  const openapi = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'))
  const fields = Object.keys(openapi.components.schemas.TransactionOut.properties)
  expect([...Object.keys(CHANGES), 'note'].sort()).toEqual(fields.sort())
})

test.each(Object.entries(CHANGES))('a changed %s of any row shows', async (_, change) => {
  for (let index = 0; index < ROWS.length; index++) {
    const forged = ROWS.map((row, at) => (at === index ? change(row) : row))
    expect((await verifyLedger(serving(forged))).data?.isValid, `row ${index + 1}`).toBe(false)
  }
})

test('a row that was taken out or put in twice shows', async () => {
  for (let index = 0; index < ROWS.length - 1; index++) {
    expect((await verifyLedger(serving(ROWS.toSpliced(index, 1)))).data?.isValid).toBe(false)
    expect(
      (await verifyLedger(serving(ROWS.toSpliced(index, 0, ROWS[index] as LedgerRow)))).data?.isValid,
    ).toBe(false)
  }
})

test('a balance that is not the newest row shows', async () => {
  const { data } = await verifyLedger(serving(ROWS, { balance: '99999.00' }))
  expect(data).toEqual({ isValid: false, fault: 'balance', version: newest.version })
})

test('a wallet that says what an older row says shows, whether that was seen before or not', async () => {
  const before = ROWS.at(-2) as LedgerRow
  const behind = { balance: before.balance_after, version: before.version }
  const storage = memory()
  expect((await verifyLedger(serving(ROWS, behind))).data).toMatchObject({ fault: 'balance' })
  await verifyLedger(serving(ROWS), { storage })
  expect((await verifyLedger(serving(ROWS, behind), { storage })).data).toMatchObject({ fault: 'balance' })
})

test('a past that was rewritten as a whole is consistent, and shows to whoever has seen the one before', async () => {
  const rewritten = rehashed(ROWS.map((row) => ({ ...row, created_at: '2026-01-01T00:00:00.000000Z' })))
  expect((await verifyLedger(serving(rewritten))).data?.isValid).toBe(true)
  const storage = memory()
  await verifyLedger(serving(ROWS), { storage })
  const { data } = await verifyLedger(serving(rewritten), { storage })
  expect(data).toEqual({ isValid: false, fault: 'rewritten', version: newest.version })
})

test('rows that were cut off at the end show, and after a restore are said to be one', async () => {
  const storage = memory()
  await verifyLedger(serving(ROWS), { storage })
  const shorter = ROWS.slice(0, -2)
  expect((await verifyLedger(serving(shorter), { storage })).data).toMatchObject({ fault: 'rewritten' })
  const { data } = await verifyLedger(serving(shorter, { epoch: 2 }), { storage })
  expect(data).toMatchObject({ isValid: true, wasRestored: true, version: shorter.length })
})

test('what was verified before is not read again, unless in full', async () => {
  const storage = memory()
  await verifyLedger(serving(ROWS), { storage })
  const [short, full]: [string[], string[]] = [[], []]
  await verifyLedger(serving(ROWS, { asked: short }), { storage })
  await verifyLedger(serving(ROWS, { asked: full }), { storage, full: true })
  expect(short).toHaveLength(2)
  expect(full.length).toBeGreaterThan(2)
})

test('a ledger that can not be read is a problem, and no verdict', async () => {
  const wallet = fakeWallet()
  wallet.goOffline()
  expect((await verifyLedger(wallet.backend)).error?.code).toBe('network_error')
  const without = serving(ROWS.map(({ hash: _, ...row }) => row as LedgerRow))
  expect((await verifyLedger(without)).error?.code).toBe('unexpected_answer')
})

test('the ledger that the running backend keeps is valid, and stays so as it grows', async () => {
  const [payer, payee] = await Promise.all([signUp({ balance: '9.00' }), signUp()])
  const storage = memory()
  expect((await verifyLedger(payer.backend, { storage })).data).toMatchObject({ isValid: true, version: 1 })
  const body = { recipient_id: payee.id, amount: '0.005' }
  await payer.backend.POST('/wallet/transfers', { body })
  await payer.backend.POST('/wallet/withdrawals', { body: { amount: '1.50' } })
  await give(payer.id, '2.00')
  expect((await verifyLedger(payer.backend, { storage })).data).toMatchObject({ isValid: true, version: 4 })
  expect((await verifyLedger(payee.backend)).data).toMatchObject({ isValid: true, version: 1 })
})
