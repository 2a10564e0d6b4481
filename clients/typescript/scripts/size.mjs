// Say how many bytes the package adds to an app that has supabase-js already: minified, and minified and gzipped.
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url))
const [{ output }] = await build({
  configFile: false,
  logLevel: 'error',
  build: {
    write: false,
    minify: true,
    lib: { entry, formats: ['es'] },
    rolldownOptions: { external: ['@supabase/supabase-js'], output: { minify: true } },
  },
})
const code = output.map((chunk) => chunk.code ?? '').join('')
console.log(JSON.stringify({ minified: Buffer.byteLength(code), gzip: gzipSync(code, { level: 9 }).length }))
