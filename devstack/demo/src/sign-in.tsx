import { useState } from 'preact/hooks'
import { Alert } from './parts'
import type { Site } from './site'
import { useSpeech } from './words'

/** Sign in at Supabase: by hand, or as one of the sample people. */
export function SignIn({ site }: { site: Site }) {
  const { words, switchLanguage } = useSpeech()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')

  async function enter(event: Event) {
    event.preventDefault()
    setBusy(true)
    const { error } = await site.supabase.auth.signInWithPassword({ email, password })
    setBusy(false)
    setProblem(error ? error.message : '')
  }

  return (
    <main class="narrow">
      <div class="title">
        <h1>LinguaLink</h1>
        <button type="button" class="quiet" onClick={switchLanguage}>
          {words.language}
        </button>
      </div>
      <p class="lead">{words.lead}</p>
      <form class="card" onSubmit={enter}>
        <div class="people">
          {site.config.people.map((person) => (
            <button
              type="button"
              class="quiet"
              key={person.id}
              onClick={() => {
                setEmail(person.email)
                setPassword(site.config.password)
              }}
            >
              {person.full_name}
            </button>
          ))}
        </div>
        <label>
          {words.email}
          <input
            type="email"
            autocomplete="username"
            required
            value={email}
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
        </label>
        <label>
          {words.password}
          <input
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        <Alert text={problem} />
        <button type="submit" disabled={busy}>
          {busy ? words.signingIn : words.signIn}
        </button>
      </form>
    </main>
  )
}
