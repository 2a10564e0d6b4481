import {
  type components,
  type EventPayloads,
  subscribeToPostValidations,
  subscribeToWallet,
  type WalletBalance,
} from '@lingualink/backend-client'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { Cheat } from './cheat'
import { History } from './history'
import { Alert, Card, focusSoon, Skeleton, useToasts } from './parts'
import { Transfer, Withdraw } from './payments'
import { Posts } from './posts'
import { Queue } from './queue'
import { Settlements } from './settlements'
import { type Site, signOut } from './site'
import { useSpeech } from './words'

type Profile = components['schemas']['ProfileOut']

/** One person's account: it follows every committed change without a reload. */
export function Home({ site, me }: { site: Site; me: string }) {
  const { backend } = site
  const { words, say, money } = useSpeech()
  const [profile, setProfile] = useState<Profile>()
  const [wallet, setWallet] = useState<WalletBalance>()
  const [live, setLive] = useState(false)
  const [problem, setProblem] = useState('')
  const [decisions, setDecisions] = useState(0)
  const { toasts, toast } = useToasts()

  useEffect(() => {
    backend.GET('/profile').then(({ data, error }) => {
      if (data) setProfile(data)
      else setProblem(say(error))
    })
    focusSoon('balance-title')
  }, [backend, say])

  const welcome = useCallback(
    ({ amount, currency }: EventPayloads['balance_updated']) => {
      if (!amount.startsWith('-')) toast({ text: words.received(money(amount, currency)) })
    },
    [toast, money, words],
  )
  useEffect(() => {
    const subscription = subscribeToWallet(
      backend,
      (change) => {
        if (change.userId !== me) return
        setWallet(change)
        if (change.event) welcome(change.event)
      },
      {
        onStatus: (status) => setLive(status === 'live'),
        onError: (failure) => setProblem(failure ? say(failure) : ''),
      },
    )
    return subscription.cancel
  }, [backend, me, say, welcome])
  useEffect(
    () =>
      subscribeToPostValidations(backend, async ({ postId, status, reason, event }) => {
        setDecisions((before) => before + 1)
        if (!event) return
        const { data } = await site.supabase.from('posts').select('title').eq('id', postId).maybeSingle()
        const told = words.decided(data?.title ?? words.yourPost, words.statuses[status] ?? status)
        toast({ text: reason ? `${told} ${reason}` : told, seconds: 12 })
      }),
    [backend, site, toast, words],
  )

  const name = profile ? (profile.full_name ?? profile.username ?? '') : ''
  const balance = wallet && money(wallet.balance, wallet.currency)
  useEffect(() => {
    document.title = [name, balance, 'LinguaLink'].filter(Boolean).join(' · ')
    return () => {
      document.title = 'LinguaLink'
    }
  }, [name, balance])

  const isStaff = profile !== undefined && profile.role !== 'user'
  return (
    <>
      <Header site={site} name={name} role={isStaff ? profile.role : ''} live={live} />
      <main>
        <Alert text={problem} />
        <div class="columns">
          <div>
            <Card id="balance-title" title={words.balance}>
              {balance ? (
                <p class="balance" aria-live="polite" data-testid="balance">
                  <span class="amount" key={wallet.version}>
                    {balance}
                  </span>
                </p>
              ) : (
                <Skeleton rows={1} />
              )}
            </Card>
            <Transfer site={site} me={me} currency={wallet?.currency} />
            <Withdraw site={site} currency={wallet?.currency} />
          </div>
          <div>
            {isStaff && <Queue site={site} me={me} toast={toast} />}
            {profile?.role === 'admin' && <Settlements site={site} currency={profile.currency} />}
            <History site={site} wallet={wallet} />
            <Posts site={site} me={me} decisions={decisions} />
          </div>
        </div>
        <Cheat site={site} me={me} />
      </main>
      {toasts}
    </>
  )
}

function Header(props: { site: Site; name: string; role: string; live: boolean }) {
  const { words, switchLanguage } = useSpeech()
  return (
    <header>
      <h1>LinguaLink</h1>
      <span class={props.live ? 'status live' : 'status'} role="status">
        {props.live ? words.live : words.reconnecting}
      </span>
      <span class="who">
        {props.name || '…'}
        {props.role && <em> {words.roles[props.role]}</em>}
      </span>
      <button
        type="button"
        class="quiet"
        lang={words.language === 'English' ? 'en' : 'fr'}
        onClick={switchLanguage}
      >
        {words.language}
      </button>
      <button type="button" class="quiet" onClick={() => void signOut(props.site)}>
        {words.signOut}
      </button>
    </header>
  )
}
