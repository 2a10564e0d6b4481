import { useState } from 'preact/hooks'
import { Card } from './parts'
import type { Site } from './site'
import { useSpeech } from './words'

/** What came of an attempt: the database's own words, or that nothing was seen, or that it worked. */
type Verdict = { kind: 'refused'; said: string } | { kind: 'nothing' } | { kind: 'worked' }

interface Answer {
  data: unknown
  error: { code?: string; message: string } | null
}

function verdictOn({ data, error }: Answer): Verdict {
  if (error)
    return {
      kind: 'refused',
      said: [error.message, error.code && `(${error.code})`].filter(Boolean).join(' '),
    }
  return Array.isArray(data) && data.length === 0 ? { kind: 'nothing' } : { kind: 'worked' }
}

interface Attempt {
  name: string
  /** As one would type it. */
  code: string
  run(site: Site, me: string): Promise<Verdict>
}

async function somebodyElse(site: Site, me: string): Promise<string> {
  const { data } = await site.supabase.from('profiles').select('id').neq('id', me).limit(1).single()
  return String(data?.id)
}

/** The id of a pending post of one's own, made where there is none. */
async function ownPost({ supabase }: Site, me: string): Promise<string> {
  const pending = { author_id: me, validation_status: 'pending' }
  const { data } = await supabase.from('posts').select('id').match(pending).limit(1).maybeSingle()
  if (data) return String(data.id)
  const post = {
    author_id: me,
    kind: 'text',
    title: 'A post of a cheat',
    body: 'Good, is it not?',
    language: 'en',
  }
  const made = await supabase.from('posts').insert(post).select('id').single()
  return String(made.data?.id)
}

const ATTEMPTS: Attempt[] = [
  {
    name: 'balance',
    code: "supabase.from('wallets').update({ balance: '1000000' }).eq('user_id', me)",
    run: async ({ supabase }, me) =>
      verdictOn(await supabase.from('wallets').update({ balance: '1000000' }).eq('user_id', me).select()),
  },
  {
    name: 'role',
    code: "supabase.from('profiles').update({ role: 'admin' }).eq('id', me)",
    run: async ({ supabase }, me) =>
      verdictOn(await supabase.from('profiles').update({ role: 'admin' }).eq('id', me).select()),
  },
  {
    name: 'approve',
    code: "supabase.from('posts').update({ validation_status: 'approved' }).eq('id', mine)",
    run: async (site, me) => {
      const change = site.supabase.from('posts').update({ validation_status: 'approved' })
      return verdictOn(await change.eq('id', await ownPost(site, me)).select())
    },
  },
  {
    name: 'wallet',
    code: "supabase.from('wallets').select().eq('user_id', theirs)",
    run: async (site, me) =>
      verdictOn(
        await site.supabase
          .from('wallets')
          .select()
          .eq('user_id', await somebodyElse(site, me)),
      ),
  },
  {
    name: 'topic',
    code: "supabase.channel('user:' + theirs, { config: { private: true } }).httpSend('balance_updated', …)",
    run: async (site, me) => {
      const topic = `user:${await somebodyElse(site, me)}`
      const channel = site.supabase.channel(topic, { config: { private: true } })
      try {
        const sent = await channel.httpSend('balance_updated', { balance: '0.00', version: 1_000_000 })
        return sent.success ? { kind: 'worked' } : { kind: 'refused', said: `${sent.error} (${sent.status})` }
      } catch (error) {
        return { kind: 'refused', said: error instanceof Error ? error.message : String(error) }
      } finally {
        await site.supabase.removeChannel(channel)
      }
    },
  },
]

/** What anybody can try who holds a session and the Supabase SDK; the database's answer is shown as it came. */
export function Cheat({ site, me }: { site: Site; me: string }) {
  const { words } = useSpeech()
  const [verdicts, setVerdicts] = useState<Record<string, Verdict>>({})

  async function attempt({ name, run }: Attempt) {
    const verdict = await run(site, me)
    setVerdicts((before) => ({ ...before, [name]: verdict }))
  }
  const told = (verdict: Verdict) =>
    verdict.kind === 'refused'
      ? words.refused(verdict.said)
      : verdict.kind === 'nothing'
        ? words.nothingSeen
        : words.itWorked

  return (
    <Card id="cheat-title" title={words.cheat}>
      <p class="muted">{words.cheatLead}</p>
      <ul class="rows">
        {ATTEMPTS.map((one) => (
          <li key={one.name} class="post">
            <code>{one.code}</code>
            <div class="buttons">
              <button type="button" class="quiet" onClick={() => void attempt(one)}>
                {words.cheats[one.name]}
              </button>
              <output class={verdicts[one.name]?.kind === 'worked' ? 'bad' : 'good'}>
                {verdicts[one.name] && told(verdicts[one.name] as Verdict)}
              </output>
            </div>
          </li>
        ))}
      </ul>
    </Card>
  )
}
