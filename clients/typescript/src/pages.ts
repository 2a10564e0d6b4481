import type { BackendClient, BackendPaths } from './client.js'
import { type Problem, unwrap } from './errors.js'

interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

type PageOf<Path extends keyof BackendPaths> = BackendPaths[Path] extends {
  get: { responses: { 200: { content: { 'application/json': Page<infer Item> } } } }
}
  ? Item
  : never

type QueryOf<Path extends keyof BackendPaths> = BackendPaths[Path] extends {
  get: { parameters: { query?: infer Query } }
}
  ? Omit<NonNullable<Query>, 'cursor'>
  : never

/** The paths whose GET answers pages. */
export type PagedPath = {
  [Path in keyof BackendPaths]: [PageOf<Path>] extends [never] ? never : Path
}[keyof BackendPaths]

type ReadPage<Item> = (
  path: PagedPath,
  init: { params: { query: object }; signal?: AbortSignal },
) => Promise<{ data?: Page<Item>; error?: Problem }>

/**
 * Every item of a list, page after page, fetched as they are asked for. Leaving the loop stops the fetching.
 *
 * ```ts
 * for await (const transaction of paginate(backend, '/wallet/transactions', { query: { kind: 'earning' } })) …
 * ```
 *
 * @throws {@link LinguaLinkError} where a page can't be read.
 */
export async function* paginate<Path extends PagedPath>(
  backend: BackendClient,
  path: Path,
  options: { query?: QueryOf<Path>; signal?: AbortSignal } = {},
): AsyncGenerator<PageOf<Path>, void, undefined> {
  const { query, ...init } = options
  // A union of paths is more than openapi-fetch can infer an answer for.
  const read = backend.GET as unknown as ReadPage<PageOf<Path>>
  let cursor: string | null = null
  do {
    const page: Page<PageOf<Path>> = unwrap(
      await read(path, { ...init, params: { query: cursor === null ? { ...query } : { ...query, cursor } } }),
    )
    yield* page.items
    cursor = page.next_cursor
  } while (cursor !== null)
}
