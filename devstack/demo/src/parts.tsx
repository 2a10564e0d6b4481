import type { ComponentChildren, RefObject } from 'preact'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { nameOf, type Person, type Site } from './site'
import { useSpeech } from './words'

/** A part of the page, with a heading that names it. */
export function Card(props: {
  id: string
  title: string
  children: ComponentChildren
  aside?: ComponentChildren
}) {
  return (
    <section class="card" aria-labelledby={props.id}>
      <div class="title">
        <h2 id={props.id} tabIndex={-1}>
          {props.title}
        </h2>
        {props.aside}
      </div>
      {props.children}
    </section>
  )
}

/** Something is being read, and will take about this much room. */
export function Skeleton({ rows }: { rows: number }) {
  const { words } = useSpeech()
  return (
    <div class="skeleton" role="status">
      <span class="hidden">{words.loading}</span>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} class="bar" />
      ))}
    </div>
  )
}

/** What went wrong; nothing where nothing did. */
export function Alert({ text }: { text: string }) {
  return text ? (
    <p class="notice error" role="alert">
      {text}
    </p>
  ) : null
}

/** Something said in passing. */
export interface Toast {
  text: string
  action?: { label: string; run(): void }
  seconds?: number
}

/** Toasts, and how to show one; each goes by itself, or is taken away by what is returned. */
export function useToasts(): { toasts: ComponentChildren; toast(what: Toast): () => void } {
  const [shown, setShown] = useState<(Toast & { id: number })[]>([])
  const next = useRef(0)
  const toast = useCallback((what: Toast) => {
    const id = next.current++
    const end = () => setShown((before) => before.filter((one) => one.id !== id))
    setShown((before) => [...before, { ...what, id }])
    const timer = setTimeout(end, (what.seconds ?? 6) * 1_000)
    return () => {
      clearTimeout(timer)
      end()
    }
  }, [])
  const toasts = (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, action }) => (
        <p class="toast" key={id}>
          {text}
          {action && (
            <button type="button" class="quiet" onClick={action.run}>
              {action.label}
            </button>
          )}
        </p>
      ))}
    </div>
  )
  return { toasts, toast }
}

/** The names of people by id, read from the app's own table with the Supabase SDK, each once. */
export function useNames(site: Site, ids: (string | null)[]): (id: string | null) => string {
  const { words } = useSpeech()
  const [people, setPeople] = useState<Map<string, Person>>(new Map())
  const missing = [...new Set(ids)].filter((id): id is string => id !== null && !people.has(id)).sort()
  const key = missing.join()
  useEffect(() => {
    if (!key) return
    let ended = false
    const query = site.supabase.from('profiles').select('id, full_name, username').in('id', key.split(','))
    query.then(({ data }) => {
      const found = (data ?? []) as Person[]
      if (!ended && found.length)
        setPeople((before) => new Map([...before, ...found.map((one) => [one.id, one] as const)]))
    })
    return () => {
      ended = true
    }
  }, [site, key])
  return (id) => nameOf(people.get(id ?? ''), words.somebody)
}

/** Focus an element after the next render. */
export function focusSoon(target: RefObject<HTMLElement | null> | string): void {
  requestAnimationFrame(() =>
    (typeof target === 'string' ? document.getElementById(target) : target.current)?.focus(),
  )
}

/** Pages of a list, newest first: the first is read again at each call of `refresh`, older ones when asked for. */
export function usePages<Item extends { id: string }>(
  read: (cursor: string | undefined) => Promise<{ items: Item[]; next_cursor: string | null } | string>,
) {
  const [items, setItems] = useState<Item[]>()
  const [cursor, setCursor] = useState<string | null>(null)
  const [problem, setProblem] = useState('')
  const refresh = useCallback(async () => {
    const page = await read(undefined)
    if (typeof page === 'string') return setProblem(page)
    setProblem('')
    setItems((before) => {
      const known = new Set(page.items.map((item) => item.id))
      const older = (before ?? []).filter((item) => !known.has(item.id))
      if (!older.length) setCursor(page.next_cursor)
      return [...page.items, ...older]
    })
  }, [read])
  const readMore = useCallback(async () => {
    const page = await read(cursor ?? undefined)
    if (typeof page === 'string') return setProblem(page)
    setItems((before) => [...(before ?? []), ...page.items])
    setCursor(page.next_cursor)
  }, [read, cursor])
  return { items, problem, refresh, more: cursor === null ? undefined : readMore }
}

/** Call *read* now and every few seconds while the window is looked at. */
export function usePolling(read: () => void, seconds: number): void {
  useEffect(() => {
    read()
    const timer = setInterval(() => document.hidden || read(), seconds * 1_000)
    return () => clearInterval(timer)
  }, [read, seconds])
}
