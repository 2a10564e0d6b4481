import type { components } from '@lingualink/backend-client'
import { type Problem, subscribeToPostValidations, subscribeToWallet } from '@lingualink/backend-client'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { Balance } from './balance'
import { Ledger } from './ledger'
import { Queue } from './queue'
import type { Site } from './site'
import { Transfer } from './transfer'

type Schemas = components['schemas']

/** What went wrong, in words for whoever sees it. */
export function wordsFor(problem: Problem): string {
  return problem.code === 'network_error'
    ? 'The backend does not answer. It will be tried again.'
    : problem.detail
}

/** One person's account: it follows every committed change without a reload. */
export function Home({ site }: { site: Site }) {
  const { backend, supabase } = site
  const [profile, setProfile] = useState<Schemas['ProfileOut']>()
  const [wallet, setWallet] = useState<{ balance: string; currency: string; version: number }>()
  const [transactions, setTransactions] = useState<Schemas['TransactionOut'][]>()
  const [live, setLive] = useState(false)
  const [notice, setNotice] = useState('')
  const [problem, setProblem] = useState('')

  const readLedger = useCallback(async () => {
    const { data, error } = await backend.GET('/wallet/transactions', { params: { query: { limit: 20 } } })
    if (data) setTransactions(data.items)
    setProblem(error ? wordsFor(error) : '')
  }, [backend])

  useEffect(() => {
    backend.GET('/profile').then(({ data, error }) => {
      if (data) setProfile(data)
      else if (error) setProblem(wordsFor(error))
    })
    const money = subscribeToWallet(
      backend,
      (change) => {
        setWallet(change.userId === null ? undefined : change)
        void readLedger()
      },
      {
        onStatus: (status) => setLive(status === 'live'),
        onError: (failure) => setProblem(failure ? wordsFor(failure) : ''),
      },
    )
    const endPosts = subscribeToPostValidations(backend, (decision) =>
      setNotice(`Your post is ${decision.status} now.${decision.reason ? ` ${decision.reason}` : ''}`),
    )
    return () => {
      money.cancel()
      endPosts()
    }
  }, [backend, supabase, readLedger])

  const isStaff = profile !== undefined && profile.role !== 'user'
  return (
    <>
      <header>
        <strong>LinguaLink</strong>
        <span class={live ? 'status live' : 'status'} role="status">
          {live ? 'Live' : 'Reconnecting …'}
        </span>
        <span class="who">
          {profile ? (profile.full_name ?? profile.username) : '…'}
          {isStaff && <em> {profile.role}</em>}
        </span>
        <button type="button" class="quiet" onClick={() => void supabase.auth.signOut()}>
          Sign out
        </button>
      </header>
      <main>
        {problem && (
          <p class="notice error" role="alert">
            {problem}
          </p>
        )}
        {notice && (
          <p class="notice" role="status">
            {notice}
          </p>
        )}
        <div class="columns">
          <div>
            <Balance wallet={wallet} />
            {profile && <Transfer site={site} me={profile.id} />}
          </div>
          <div>
            {isStaff && <Queue backend={backend} people={site.config.people} />}
            <Ledger transactions={transactions} people={site.config.people} />
          </div>
        </div>
      </main>
    </>
  )
}
