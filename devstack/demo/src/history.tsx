import type { components, WalletBalance } from '@lingualink/backend-client'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { Alert, Card, Skeleton, useNames, usePages } from './parts'
import type { Site } from './site'
import { Statement } from './statement'
import { Verified } from './verified'
import { useSpeech } from './words'

type Transaction = components['schemas']['TransactionOut']
type Withdrawal = components['schemas']['WithdrawalOut']

/** What happened to the wallet: its ledger, and its withdrawals. Read again whenever the balance changes. */
export function History({ site, wallet }: { site: Site; wallet: WalletBalance | undefined }) {
  const { words } = useSpeech()
  const [shown, setShown] = useState<'transactions' | 'withdrawals' | 'statement'>('transactions')
  const tab = (name: typeof shown) => (
    <button type="button" class="quiet" aria-pressed={shown === name} onClick={() => setShown(name)}>
      {words[name]}
    </button>
  )
  const aside = (
    <div class="buttons">
      {tab('transactions')}
      {tab('withdrawals')}
      {tab('statement')}
    </div>
  )
  return (
    <Card id="history-title" title={words.history} aside={aside}>
      {shown === 'transactions' && <Transactions site={site} wallet={wallet} />}
      {shown === 'withdrawals' && <Withdrawals site={site} wallet={wallet} />}
      {shown === 'statement' && <Statement site={site} version={wallet?.version} />}
      <Verified site={site} version={wallet?.version} />
    </Card>
  )
}

/** A list that is read in pages, and again when *changed* does. */
function Pages<Item extends { id: string }>(props: {
  pages: ReturnType<typeof usePages<Item>>
  changed: unknown
  empty: string
  row(item: Item): preact.ComponentChildren
}) {
  const { words } = useSpeech()
  const { items, problem, refresh, more } = props.pages
  useEffect(() => void refresh(), [refresh, props.changed])
  if (items === undefined) return problem ? <Alert text={problem} /> : <Skeleton rows={4} />
  return (
    <>
      <Alert text={problem} />
      {items.length === 0 && <p class="muted">{props.empty}</p>}
      <ol class="rows">{items.map(props.row)}</ol>
      {more && (
        <button type="button" class="quiet" onClick={() => void more()}>
          {words.older}
        </button>
      )}
    </>
  )
}

function Transactions({ site, wallet }: { site: Site; wallet: WalletBalance | undefined }) {
  const { words, say, money, time } = useSpeech()
  const read = useCallback(
    async (cursor: string | undefined) => {
      const query = { limit: 20, ...(cursor && { cursor }) }
      const { data, error } = await site.backend.GET('/wallet/transactions', { params: { query } })
      return data ?? say(error)
    },
    [site, say],
  )
  const pages = usePages<Transaction>(read)
  const named = useNames(site, pages.items?.map((row) => row.counterparty_id) ?? [])
  const currency = wallet?.currency
  if (!currency) return <Skeleton rows={4} />
  const row = (one: Transaction) => (
    <li key={one.id}>
      <span>
        <span>
          {words.kinds[one.kind] ?? one.kind} {one.counterparty_id && named(one.counterparty_id)}
        </span>
        {one.note && <q>{one.note}</q>}
        <time dateTime={one.created_at}>{time(one.created_at)}</time>
      </span>
      <span class={one.amount.startsWith('-') ? 'sum' : 'sum plus'}>
        {one.amount.startsWith('-') ? '−' : '+'}
        {money(one.amount.replace('-', ''), currency)}
        <small class="muted">{words.after(money(one.balance_after, currency))}</small>
      </span>
    </li>
  )
  return <Pages pages={pages} changed={wallet?.version} empty={words.nothingYet} row={row} />
}

function Withdrawals({ site, wallet }: { site: Site; wallet: WalletBalance | undefined }) {
  const { words, say, money, time } = useSpeech()
  const read = useCallback(
    async (cursor: string | undefined) => {
      const query = { limit: 20, ...(cursor && { cursor }) }
      const { data, error } = await site.backend.GET('/wallet/withdrawals', { params: { query } })
      return data ?? say(error)
    },
    [site, say],
  )
  const pages = usePages<Withdrawal>(read)
  const row = (one: Withdrawal) => (
    <li key={one.id}>
      <span>
        <span>{words.statuses[one.status] ?? one.status}</span>
        {one.reason && <q>{one.reason}</q>}
        <time dateTime={one.created_at}>{time(one.created_at)}</time>
      </span>
      <span class="sum">{wallet && money(one.amount, wallet.currency)}</span>
    </li>
  )
  return <Pages pages={pages} changed={wallet?.version} empty={words.noWithdrawals} row={row} />
}
