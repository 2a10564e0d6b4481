import type { components } from '@lingualink/backend-client'
import { useEffect, useState } from 'preact/hooks'
import { Alert, Skeleton } from './parts'
import type { Site } from './site'
import { useSpeech } from './words'

type Summary = components['schemas']['StatementOut']

/** The first moment of a month, given as `2026-11`, and of the one after it, in this device's time. */
function bounds(month: string): { from: string; until: string } {
  const [year = 0, number = 1] = month.split('-').map(Number)
  return {
    from: new Date(year, number - 1).toISOString(),
    until: new Date(year, number).toISOString(),
  }
}

function thisMonth(): string {
  const now = new Date()
  return `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, '0')}`
}

/** A month of the wallet: what it began and ended with, what moved it by kind, and all of it as a file. */
export function Statement({ site, version }: { site: Site; version: number | undefined }) {
  const { words, say, money } = useSpeech()
  const [month, setMonth] = useState(thisMonth)
  const [summary, setSummary] = useState<Summary>()
  const [problem, setProblem] = useState('')

  useEffect(() => {
    const abort = new AbortController()
    const params = { query: bounds(month) }
    site.backend.GET('/wallet/statement', { params, signal: abort.signal }).then(({ data, error }) => {
      if (abort.signal.aborted) return
      setProblem(error ? say(error) : '')
      if (typeof data === 'object') setSummary(data)
    })
    return () => abort.abort()
  }, [site, month, say, version])

  /** The client reads JSON; a file is a request of its own, with the session's token. */
  async function download() {
    const { data } = await site.supabase.auth.getSession()
    const answer = await fetch(`/wallet/statement?${new URLSearchParams(bounds(month))}`, {
      headers: { Authorization: `Bearer ${data.session?.access_token}`, Accept: 'text/csv' },
    }).catch(() => null)
    if (!answer?.ok) return setProblem(words.noFile)
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await answer.blob())
    link.download = `lingualink-${month}.csv`
    link.click()
    URL.revokeObjectURL(link.href)
  }

  return (
    <>
      <label>
        {words.month}
        <input
          type="month"
          required
          max={thisMonth()}
          value={month}
          onInput={(event) => event.currentTarget.value && setMonth(event.currentTarget.value)}
        />
      </label>
      <Alert text={problem} />
      {!summary && !problem && <Skeleton rows={3} />}
      {summary && (
        <>
          <table>
            <tbody>
              <tr>
                <th scope="row">{words.opening}</th>
                <td>{money(summary.opening_balance, summary.currency)}</td>
              </tr>
              {Object.entries(summary.totals).map(([kind, total]) => (
                <tr key={kind}>
                  <th scope="row">{words.totals[kind] ?? kind}</th>
                  <td>{money(total, summary.currency)}</td>
                </tr>
              ))}
              <tr>
                <th scope="row">{words.closing}</th>
                <td>{money(summary.closing_balance, summary.currency)}</td>
              </tr>
            </tbody>
          </table>
          <button type="button" class="quiet" onClick={() => void download()}>
            {words.download}
          </button>
        </>
      )}
    </>
  )
}
