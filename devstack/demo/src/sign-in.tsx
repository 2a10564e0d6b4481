import { useState } from 'preact/hooks'
import type { Site } from './site'

/** Sign in at Supabase: by hand, or as one of the sample people. */
export function SignIn({ site }: { site: Site }) {
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
      <h1>LinguaLink</h1>
      <p class="lead">
        Open this page in two windows, sign in as two people, and watch a balance move from one to the other.
      </p>
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
          E-mail
          <input
            type="email"
            autocomplete="username"
            required
            value={email}
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
        </label>
        <label>
          Password
          <input
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        {problem && (
          <p class="notice error" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}
