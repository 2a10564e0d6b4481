import type { components } from '@lingualink/backend-client'
import { useCallback, useState } from 'preact/hooks'
import { Alert, Card, focusSoon, Skeleton, useNames, usePolling } from './parts'
import type { Site } from './site'
import { useSpeech } from './words'

type Withdrawal = components['schemas']['WithdrawalOut']
type Outcome = { outcome: 'completed' } | { outcome: 'failed'; reason: string }

const EVERY = 4

/** Withdrawals that wait for an admin, oldest first: paid out, or failed with a reason, and the money goes back. */
export function Settlements({ site, currency }: { site: Site; currency: string }) {
  const { words, say } = useSpeech()
  const [waiting, setWaiting] = useState<Withdrawal[]>()
  const [problem, setProblem] = useState('')

  const read = useCallback(async () => {
    const { data, error } = await site.backend.GET('/vault/withdrawals', {
      params: { query: { status: 'held' } },
    })
    setProblem(error ? say(error) : '')
    if (data) setWaiting(data.items)
  }, [site, say])
  usePolling(read, EVERY)
  const named = useNames(site, waiting?.map((one) => one.user_id) ?? [])

  async function settle(one: Withdrawal, body: Outcome) {
    const params = { path: { withdrawal_id: one.id } }
    const { error } = await site.backend.POST('/vault/withdrawals/{withdrawal_id}/settlement', {
      params,
      body,
    })
    await read()
    if (error) setProblem(say(error))
    focusSoon('settlements-title')
  }

  return (
    <Card id="settlements-title" title={words.settlements}>
      <Alert text={problem} />
      {waiting === undefined && !problem && <Skeleton rows={2} />}
      {waiting?.length === 0 && <p class="muted">{words.nothingToSettle}</p>}
      <ul class="rows">
        {waiting?.map((one) => (
          <Waiting key={one.id} one={one} who={named(one.user_id)} currency={currency} settle={settle} />
        ))}
      </ul>
    </Card>
  )
}

function Waiting(props: {
  one: Withdrawal
  who: string
  currency: string
  settle(one: Withdrawal, body: Outcome): Promise<void>
}) {
  const { one, who, currency, settle } = props
  const { words, money, time } = useSpeech()
  const [reason, setReason] = useState('')
  return (
    <li class="post">
      <span>
        <strong>
          {who}: {money(one.amount, currency)}
        </strong>
        <small class="muted">{time(one.created_at)}</small>
      </span>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void settle(one, { outcome: 'failed', reason })
        }}
      >
        <label>
          {words.reason}
          <input
            required
            maxLength={500}
            value={reason}
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <div class="buttons">
          <button type="button" onClick={() => void settle(one, { outcome: 'completed' })}>
            {words.paid}
            <span class="hidden"> {who}</span>
          </button>
          <button type="submit" class="quiet">
            {words.failed}
            <span class="hidden"> {who}</span>
          </button>
        </div>
      </form>
    </li>
  )
}
