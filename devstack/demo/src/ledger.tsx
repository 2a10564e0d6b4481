import type { components } from '@lingualink/backend-client'
import type { Sample } from './site'

type Transaction = components['schemas']['TransactionOut']

const KINDS: Record<Transaction['kind'], string> = {
  earning: 'Earned with a post',
  bonus: 'Bonus',
  refund: 'Refund',
  penalty: 'Penalty',
  transfer_out: 'Sent to',
  transfer_in: 'Received from',
  withdrawal: 'Withdrawn',
  reversal: 'Corrected',
  opening: 'Opening balance',
}
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })

/** The newest ledger rows. */
export function Ledger(props: { transactions: Transaction[] | undefined; people: Sample[] }) {
  const { transactions, people } = props
  const nameOf = (id: string | null) => people.find((person) => person.id === id)?.full_name
  return (
    <section class="card" aria-labelledby="ledger-title">
      <h2 id="ledger-title">Ledger</h2>
      {transactions === undefined && <progress aria-label="Loading the ledger" />}
      {transactions?.length === 0 && (
        <p class="muted">Nothing yet. What you send and receive appears here.</p>
      )}
      <ol class="rows">
        {transactions?.map((row) => (
          <li key={row.id}>
            <span>
              {KINDS[row.kind]} {row.counterparty_id && (nameOf(row.counterparty_id) ?? 'somebody')}
              {row.note && <q>{row.note}</q>}
            </span>
            <time dateTime={row.created_at}>{clock.format(new Date(row.created_at))}</time>
            <span class={row.amount.startsWith('-') ? 'sum' : 'sum plus'}>
              {row.amount.startsWith('-') ? `−${row.amount.slice(1)}` : `+${row.amount}`}
            </span>
          </li>
        ))}
      </ol>
    </section>
  )
}
