/** Hooks for React and React Native. They import `react` and nothing else. */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import type { BackendClient, CallAnswer, CallInit, RouteProblem } from './client.js'
import { isOutcomeUnknown, type Problem } from './errors.js'
import { type PaymentPath, type PaymentStorage, paymentAttempt } from './payments.js'
import { type WalletState, walletFeed } from './wallet.js'

export type { WalletState } from './wallet.js'

/** What {@link useWallet} gives. */
export type Wallet = WalletState & {
  /** Connect where there is no connection, and read now. */
  refresh(): Promise<void>
}

/**
 * The balance of whoever is signed in, live; `balance` is null until it is known, and once nobody is signed in. All
 * components that use it share one connection, which ends with the last of them.
 */
export function useWallet(backend: BackendClient): Wallet {
  const feed = walletFeed(backend)
  const state = useSyncExternalStore(feed.subscribe, feed.state, feed.state)
  return useMemo(() => ({ ...state, refresh: feed.refresh }), [state, feed])
}

/** What {@link usePayment} takes. */
export interface UsePaymentOptions<Path extends PaymentPath> {
  backend: BackendClient
  path: Path
  /** One object for the life of the app: `localStorage`, AsyncStorage. */
  storage: PaymentStorage
  /** Tells payments on one path apart that are open at the same time. */
  name?: string
}

/** What {@link usePayment} gives. */
export interface Payment<Path extends PaymentPath> {
  /** Send a draft. The same draft is never paid twice, not even over a restart of the app. */
  submit(init: CallInit<'post', Path>): Promise<CallAnswer<'post', Path>>
  /**
   * `unknown`: it may have been paid; submit the same draft again. `refused`: it was not paid, `error` says why.
   */
  status: 'idle' | 'sending' | 'paid' | 'refused' | 'unknown'
  data: CallAnswer<'post', Path>['data']
  error: RouteProblem<'post', Path> | undefined
  /** Back to `idle`: what is shown is forgotten, what is stored is not. */
  reset(): void
}

/** A payment of one draft at a time, for a form. */
export function usePayment<Path extends PaymentPath>(options: UsePaymentOptions<Path>): Payment<Path> {
  const { backend, path, storage, name } = options
  const attempt = useMemo(
    () => paymentAttempt({ backend, path, storage, name }),
    [backend, path, storage, name],
  )
  const [shown, setShown] = useState<Omit<Payment<Path>, 'submit' | 'reset'>>(IDLE)
  const latest = useRef(0)
  const submit = useCallback(
    async (init: CallInit<'post', Path>) => {
      const mine = ++latest.current
      setShown({ status: 'sending', data: undefined, error: undefined })
      const answer = await attempt.submit(init)
      if (mine === latest.current) setShown(outcomeOf(answer))
      return answer
    },
    [attempt],
  )
  const reset = useCallback(() => {
    latest.current++
    setShown(IDLE)
  }, [])
  // What comes after the component is gone is nobody's to show.
  useEffect(() => () => void latest.current++, [])
  return useMemo(() => ({ ...shown, submit, reset }), [shown, submit, reset])
}

const IDLE = { status: 'idle', data: undefined, error: undefined } as const

function outcomeOf<Path extends PaymentPath>(
  answer: CallAnswer<'post', Path>,
): Omit<Payment<Path>, 'submit' | 'reset'> {
  const error = answer.error as RouteProblem<'post', Path> | undefined
  if (error === undefined) return { status: 'paid', data: answer.data, error }
  const isUnknown = isOutcomeUnknown(error as unknown as Problem)
  return { status: isUnknown ? 'unknown' : 'refused', data: undefined, error }
}
