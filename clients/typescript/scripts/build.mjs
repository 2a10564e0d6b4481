// Build dist/: ES modules with types by tsc, the same as CommonJS; and what else the package holds of the repository.

import { spawnSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const HOME = fileURLToPath(new URL('..', import.meta.url))
const ESM = join(HOME, 'dist/esm')
const CJS = join(HOME, 'dist/cjs')

await rm(join(HOME, 'dist'), { recursive: true, force: true })
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const compiled = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: HOME,
  stdio: 'inherit',
})
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

const sources = (await readdir(join(HOME, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts'))
for (const source of sources) {
  const target = join(CJS, source.replace(/ts$/, 'js'))
  const { outputText, sourceMapText } = ts.transpileModule(
    await readFile(join(HOME, 'src', source), 'utf8'),
    {
      fileName: relative(dirname(target), join(HOME, 'src', source)),
      compilerOptions: {
        module: ts.ModuleKind.CommonJS,
        target: ts.ScriptTarget.ES2022,
        esModuleInterop: true,
        isolatedModules: true,
        sourceMap: true,
        inlineSources: true,
      },
    },
  )
  await mkdir(dirname(target), { recursive: true })
  await writeFile(target, outputText)
  await writeFile(`${target}.map`, sourceMapText)
}
// Of the same declarations a CommonJS module needs those that stand in a CommonJS package.
await writeFile(join(CJS, 'package.json'), '{ "type": "commonjs" }\n')
for (const file of await readdir(ESM, { recursive: true })) {
  if (!file.endsWith('.d.ts')) continue
  await mkdir(dirname(join(CJS, file)), { recursive: true })
  await cp(join(ESM, file), join(CJS, file))
}

// Bundlers that know no "exports" find an entry by its folder.
for (const entry of ['react', 'testing']) {
  const folder = join(HOME, entry)
  await mkdir(folder, { recursive: true })
  const at = (file) => relative(folder, join(HOME, 'dist', file))
  const found = { main: at(`cjs/${entry}.js`), module: at(`esm/${entry}.js`), types: at(`cjs/${entry}.d.ts`) }
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(found, null, 2)}\n`)
}
for (const file of ['LICENSE', 'docs/openapi.json']) {
  await cp(join(HOME, '../..', file), join(HOME, file.split('/').at(-1)))
}
