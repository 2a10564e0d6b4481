import { sha256 } from '@noble/hashes/sha2.js'
import type { BackendClient } from './client.js'
import { isLinguaLinkError, localProblem, type Problem, unwrap } from './errors.js'
import { Money } from './money.js'
import { paginate } from './pages.js'
import type { PaymentStorage } from './payments.js'

/** A row of a wallet, as the API has it and as its hash is made of it. */
export interface LedgerRow {
  id: string
  user_id: string
  kind: string
  amount: string
  balance_after: string
  version: number
  counterparty_id: string | null
  reference_id: string | null
  created_at: string
  hash: string
}

/**
 * Why a ledger is not to be believed: `hash`, a row is not what its hash says; `gap`, rows are missing or doubled;
 * `balance`, a balance is not the sum; `rewritten`, the row that was seen before is another one now, or gone.
 */
export type LedgerFault = 'hash' | 'gap' | 'balance' | 'rewritten'

/** What the verification came to. */
export type LedgerVerdict =
  | {
      isValid: true
      /** The newest row: how many there are. */
      version: number
      /** Its hash; null for a wallet without rows. */
      hash: string | null
      /** The database was restored to an earlier time since the last verification: what came after that time is gone. */
      wasRestored: boolean
    }
  | {
      isValid: false
      fault: LedgerFault
      /** The row at which it shows. */
      version: number
    }

/** What {@link verifyLedger} takes. */
export interface VerifyLedgerOptions {
  /** Remembers the newest row that was verified, so that a past that was rewritten as a whole is noticed too. */
  storage?: PaymentStorage
  /** Verify every row, also those that were verified before. */
  full?: boolean
  signal?: AbortSignal
}

interface Seen {
  epoch: number
  version: number
  hash: string | null
}

type Wallet = { user_id: string; balance: string; version: number; epoch?: number }

const START = '0'.repeat(64)

/**
 * Prove the ledger of whoever is signed in: recompute every hash and every balance from the rows (docs/wallet.md of the
 * backend has the form byte by byte), newest first, down to the row that was verified last time. Never rejects.
 */
export async function verifyLedger(
  backend: BackendClient,
  options: VerifyLedgerOptions = {},
): Promise<{ data: LedgerVerdict; error?: never } | { data?: never; error: Problem }> {
  const { storage, signal } = options
  try {
    const wallet: Wallet = unwrap(await backend.GET('/wallet', { signal }))
    const slot = `lingualink ledger ${wallet.user_id}`
    const seen = parseSeen((await storage?.getItem(slot)) ?? null)
    const epoch = wallet.epoch ?? 0
    const wasRestored = seen !== null && epoch > seen.epoch
    const rows = paginate(backend, '/wallet/transactions', {
      query: { limit: 100 },
      ...(signal && { signal }),
    })
    const anchor = wasRestored ? null : seen
    const data = await walk(
      rows as AsyncIterable<unknown> as AsyncIterable<LedgerRow>,
      wallet,
      anchor,
      options.full,
    )
    if (!data.isValid) return { data }
    const { version, hash } = data
    // Rows that came while they were read are in the wallet by now; a wallet that stays behind them was changed.
    if (version > wallet.version) {
      const now: Wallet = unwrap(await backend.GET('/wallet', { signal }))
      if (now.version < version) return { data: invalid('balance', version) }
    }
    await storage?.setItem(slot, JSON.stringify({ epoch, version, hash } satisfies Seen))
    return { data: { ...data, wasRestored } }
  } catch (thrown) {
    if (isLinguaLinkError(thrown)) return { error: thrown.problem }
    return { error: localProblem('unexpected_answer', 'The ledger could not be verified.', thrown) }
  }
}

/** Go through the rows, newest first: each one is proved once its predecessor is known. */
async function walk(
  rows: AsyncIterable<LedgerRow>,
  wallet: Wallet,
  seen: Seen | null,
  isFull = false,
): Promise<LedgerVerdict> {
  let newest: LedgerRow | undefined
  let row: LedgerRow | undefined
  for await (const older of rows) {
    if (typeof older.hash !== 'string') throw new TypeError('This backend tells no hashes.')
    newest ??= older
    const fault = row && faultBetween(row, older)
    if (fault) return fault
    const isSeen = seen?.version === older.version
    if (isSeen && seen.hash !== older.hash) return invalid('rewritten', older.version)
    if (older.version === wallet.version && Money.of(older.balance_after).compare(wallet.balance) !== 0) {
      return invalid('balance', older.version)
    }
    row = older
    if (isSeen && !isFull) return valid(newest)
  }
  if (seen && seen.version > (newest?.version ?? 0)) return invalid('rewritten', seen.version)
  if (wallet.version > (newest?.version ?? 0)) return invalid('gap', wallet.version)
  return (row && faultBetween(row, undefined)) ?? valid(newest)
}

/** What is wrong with a row, given the one before it; nothing before it where it is the first. */
function faultBetween(row: LedgerRow, before: LedgerRow | undefined): LedgerVerdict | undefined {
  if (row.version !== (before?.version ?? 0) + 1) return invalid('gap', row.version)
  if (rowHash(row, before?.hash ?? START) !== row.hash) return invalid('hash', row.version)
  const expected = Money.of(before?.balance_after ?? '0').plus(row.amount)
  return expected.compare(row.balance_after) === 0 ? undefined : invalid('balance', row.version)
}

/** The hash of a row behind the one with the hash `before`: 64 lower-case hex digits. */
export function rowHash(row: Omit<LedgerRow, 'hash'>, before: string): string {
  const fields = [
    row.id,
    row.user_id,
    row.kind,
    row.amount,
    row.balance_after,
    row.version,
    row.counterparty_id ?? '',
    row.reference_id ?? '',
    microseconds(row.created_at),
  ]
  // All of it is ASCII; older React Native has no TextEncoder.
  const text = Uint8Array.from(fields.map((field) => `${field}\n`).join(''), (letter) => letter.charCodeAt(0))
  return hex(sha256.create().update(bytes(before)).update(text).digest())
}

/** A time with all six of its decimals. */
function microseconds(time: string): string {
  const [whole = '', fraction = ''] = time.replace(/(Z|\+00:00)$/, '').split('.')
  return `${whole}.${fraction.padEnd(6, '0')}Z`
}

function bytes(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

function hex(digest: Uint8Array): string {
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function valid(newest: LedgerRow | undefined): LedgerVerdict {
  return { isValid: true, version: newest?.version ?? 0, hash: newest?.hash ?? null, wasRestored: false }
}

function invalid(fault: LedgerFault, version: number): LedgerVerdict {
  return { isValid: false, fault, version }
}

function parseSeen(stored: string | null): Seen | null {
  try {
    const seen = JSON.parse(stored ?? 'null') as Partial<Seen> | null
    return typeof seen?.version === 'number' && typeof seen.epoch === 'number' ? (seen as Seen) : null
  } catch {
    return null
  }
}
