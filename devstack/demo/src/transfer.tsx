import { newIdempotencyKey } from '@lingualink/backend-client'
import { useState } from 'preact/hooks'
import { wordsFor } from './home'
import type { Site } from './site'

/** Pay somebody. The key is made with the form, so that a second press of the button is no second payment. */
export function Transfer({ site, me }: { site: Site; me: string }) {
  const others = site.config.people.filter((person) => person.id !== me)
  const [recipient, setRecipient] = useState(others[0]?.id ?? '')
  const [amount, setAmount] = useState('')
  const [note, setNote] = useState('')
  const [key, setKey] = useState(newIdempotencyKey)
  const [busy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState<{ text: string; bad: boolean }>()

  async function pay(event: Event) {
    event.preventDefault()
    setBusy(true)
    const { data, error } = await site.backend.POST('/wallet/transfers', {
      params: { header: { 'Idempotency-Key': key } },
      body: { recipient_id: recipient, amount, ...(note ? { note } : {}) },
    })
    setBusy(false)
    if (error) setOutcome({ text: wordsFor(error), bad: true })
    if (data) {
      const name = others.find((person) => person.id === recipient)?.full_name ?? 'them'
      setOutcome({ text: `Sent ${data.transaction.amount.slice(1)} to ${name}.`, bad: false })
      setAmount('')
      setNote('')
    }
    // An answer was given: the next press is another payment. Without one, the same key finds out.
    if (data || (error && error.status !== 0)) setKey(newIdempotencyKey())
  }

  return (
    <form class="card" onSubmit={pay} aria-labelledby="transfer-title">
      <h2 id="transfer-title">Send money</h2>
      <label>
        To
        <select value={recipient} onChange={(event) => setRecipient(event.currentTarget.value)}>
          {others.map((person) => (
            <option key={person.id} value={person.id}>
              {person.full_name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Amount
        <input
          inputMode="decimal"
          placeholder="1.50"
          required
          value={amount}
          onInput={(event) => setAmount(event.currentTarget.value)}
        />
      </label>
      <label>
        <span>
          Note <span class="muted">(optional)</span>
        </span>
        <input maxLength={200} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
      </label>
      {outcome && (
        <p class={outcome.bad ? 'notice error' : 'notice'} role={outcome.bad ? 'alert' : 'status'}>
          {outcome.text}
        </p>
      )}
      <button type="submit" disabled={busy}>
        {busy ? 'Sending …' : 'Send'}
      </button>
    </form>
  )
}
