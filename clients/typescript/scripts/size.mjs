// Say how many bytes the package adds to an app that has supabase-js and React already, minified and gzipped: all of it, as
// where a bundler takes everything (Metro); and what pays, follows a wallet and shakes the rest out (Vite).
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const source = (name) => JSON.stringify(fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url)))
const USUAL = 'createBackendClient, isOutcomeUnknown, messageFor, paymentAttempt, subscribeToWallet, unwrap'
const APPS = {
  whole: `export * from ${source('index')}`,
  usual: `export { ${USUAL} } from ${source('index')}`,
  client: `export { createBackendClient, unwrap } from ${source('index')}`,
}

const folder = await mkdtemp(join(tmpdir(), 'size-'))
const sizes = {}
for (const [name, code] of Object.entries(APPS)) {
  const entry = join(folder, `${name}.ts`)
  await writeFile(entry, code)
  const [{ output }] = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: true,
      lib: { entry, formats: ['es'] },
      rolldownOptions: { external: ['@supabase/supabase-js', 'react'], output: { minify: true } },
    },
  })
  const made = output.map((chunk) => chunk.code ?? '').join('')
  sizes[name] = { minified: Buffer.byteLength(made), gzip: gzipSync(made, { level: 9 }).length }
}
await rm(folder, { recursive: true })
console.log(JSON.stringify(sizes))
