import { type LedgerVerdict, verifyLedger } from '@lingualink/backend-client'
import { useEffect, useState } from 'preact/hooks'
import type { Site } from './site'
import { useSpeech } from './words'

/** Whether the ledger is what its hashes say, proved anew with each transaction, and the newest row's hash in short. */
export function Verified({ site, version }: { site: Site; version: number | undefined }) {
  const { words } = useSpeech()
  const [verdict, setVerdict] = useState<LedgerVerdict>()
  useEffect(() => {
    if (!version) return
    const abort = new AbortController()
    verifyLedger(site.backend, { storage: window.localStorage, signal: abort.signal }).then(({ data }) => {
      if (data && !abort.signal.aborted) setVerdict(data)
    })
    return () => abort.abort()
  }, [site, version])
  if (!verdict) return null
  return verdict.isValid ? (
    <p class="good" title={verdict.hash ?? ''}>
      {words.verified} <code>{verdict.hash?.slice(0, 8)}</code>
    </p>
  ) : (
    <p class="notice error" role="alert">
      {words.faults[verdict.fault] ?? verdict.fault} ({verdict.version})
    </p>
  )
}
