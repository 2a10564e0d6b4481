import {
  type CallInit,
  isOutcomeUnknown,
  Money,
  type PaymentPath,
  type Problem,
  paymentAttempt,
} from '@lingualink/backend-client'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Alert, Card, focusSoon } from './parts'
import { nameOf, type Person, type Site } from './site'
import { useSpeech } from './words'

interface Draft {
  amount: string
  note: string
  recipient: string
}
type OwnPath = Exclude<PaymentPath, '/vault/users/{user_id}/transactions'>

const EMPTY = { amount: '', note: '', recipient: '' }

/**
 * A form that pays once. While the outcome of what was sent is unknown, over reloads too, the form holds that draft: it
 * can be sent again, with the same key, or given up.
 */
function usePayment<Path extends OwnPath>(site: Site, path: Path, done: (draft: Draft) => string) {
  const { words, say } = useSpeech()
  const payment = useMemo(
    () => paymentAttempt({ backend: site.backend, path, storage: window.localStorage }),
    [site, path],
  )
  const [draft, setDraft] = useState<Draft>(EMPTY)
  const [isOpen, setOpen] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [paid, setPaid] = useState<Draft>()
  const [problem, setProblem] = useState('')
  const amount = useRef<HTMLInputElement>(null)

  useEffect(() => {
    payment.pending().then((pending) => {
      if (!pending) return
      const body = pending.body as { amount: string; note?: string; recipient_id?: string }
      setDraft({ amount: body.amount, note: body.note ?? '', recipient: body.recipient_id ?? '' })
      setOpen(true)
      setProblem(words.unknown)
    })
  }, [payment, words])

  async function submit(event: Event) {
    event.preventDefault()
    const parsed = Money.parse(draft.amount)
    setPaid(undefined)
    if (parsed === null) {
      setProblem(words.noAmount)
      focusSoon(amount)
      return
    }
    setBusy(true)
    const { recipient, note } = draft
    const body = {
      amount: parsed.toString(),
      ...(note && { note }),
      ...(recipient && { recipient_id: recipient }),
    }
    const answer = await payment.submit({ body } as unknown as CallInit<'post', Path>)
    const { data, error } = answer as { data?: unknown; error?: Problem }
    setBusy(false)
    const unknown = error !== undefined && isOutcomeUnknown(error)
    setOpen(unknown)
    setProblem(error ? [unknown && words.unknown, say(error)].filter(Boolean).join(' ') : '')
    if (data) {
      setPaid({ ...draft, amount: parsed.toString() })
      setDraft({ ...EMPTY, recipient })
    }
    focusSoon(amount)
  }

  async function giveUp() {
    await payment.forget()
    setOpen(false)
    setProblem('')
    focusSoon(amount)
  }
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }))
  // Said anew with each rendering: a name, or another language, may come after it.
  const outcome = paid && done(paid)
  return { draft, change, submit, giveUp, isOpen, isBusy, outcome, problem, amount }
}

function Fields({
  form,
  labels,
}: {
  form: ReturnType<typeof usePayment>
  labels: [idle: string, busy: string]
}) {
  const { words } = useSpeech()
  const { draft, change, isOpen, isBusy } = form
  return (
    <>
      <label>
        {words.amount}
        <input
          ref={form.amount}
          inputMode="decimal"
          autocomplete="off"
          required
          readOnly={isOpen || isBusy}
          value={draft.amount}
          onInput={(event) => change({ amount: event.currentTarget.value })}
        />
      </label>
      <label>
        <span>
          {words.note} <span class="muted">{words.optional}</span>
        </span>
        <input
          maxLength={200}
          readOnly={isOpen || isBusy}
          value={draft.note}
          onInput={(event) => change({ note: event.currentTarget.value })}
        />
      </label>
      <Alert text={form.problem} />
      {form.outcome && (
        <p class="notice" role="status">
          {form.outcome}
        </p>
      )}
      <div class="buttons">
        <button type="submit" disabled={isBusy}>
          {isBusy ? labels[1] : isOpen ? words.check : labels[0]}
        </button>
        {isOpen && !isBusy && (
          <button type="button" class="quiet" onClick={() => void form.giveUp()}>
            {words.another}
          </button>
        )}
      </div>
    </>
  )
}

/** Pay somebody. */
export function Transfer({ site, me, currency }: { site: Site; me: string; currency: string | undefined }) {
  const { words, money } = useSpeech()
  const [others, setOthers] = useState<Person[]>([])
  const named = (id: string) =>
    nameOf(
      others.find((person) => person.id === id),
      words.somebody,
    )
  const form = usePayment(site, '/wallet/transfers', ({ amount, recipient }) =>
    words.sent(currency ? money(amount, currency) : amount, named(recipient)),
  )
  useEffect(() => {
    const query = site.supabase.from('profiles').select('id, full_name, username').neq('id', me)
    query
      .order('created_at')
      .limit(50)
      .then(({ data }) => setOthers((data ?? []) as Person[]))
  }, [site, me])
  return (
    <Card id="transfer-title" title={words.send}>
      <form onSubmit={form.submit} aria-labelledby="transfer-title">
        <label>
          {words.to}
          <select
            required
            disabled={form.isOpen || form.isBusy}
            value={form.draft.recipient}
            onChange={(event) => form.change({ recipient: event.currentTarget.value })}
          >
            <option value="">{words.choose}</option>
            {others.map((person) => (
              <option key={person.id} value={person.id}>
                {nameOf(person, words.somebody)}
              </option>
            ))}
          </select>
        </label>
        <Fields form={form} labels={[words.sendNow, words.sending]} />
      </form>
    </Card>
  )
}

/** Take money out: it is held at once, and settled by an admin. */
export function Withdraw({ site, currency }: { site: Site; currency: string | undefined }) {
  const { words, money } = useSpeech()
  const form = usePayment(site, '/wallet/withdrawals', ({ amount }) =>
    words.withdrawn(currency ? money(amount, currency) : amount),
  )
  return (
    <Card id="withdraw-title" title={words.withdrawNow}>
      <form onSubmit={form.submit} aria-labelledby="withdraw-title">
        <Fields form={form} labels={[words.withdraw, words.withdrawing]} />
      </form>
    </Card>
  )
}
