// Bundle hermes.ts with what it needs as one script of ES5, which Metro's presets come to as well: node bundle.mjs OUT
import { readFileSync, writeFileSync } from 'node:fs'
import ts from 'typescript'
import { build } from 'vite'

const [, , vectors, target] = process.argv
const [{ output }] = await build({
  configFile: false,
  logLevel: 'error',
  resolve: { conditions: ['react-native'], mainFields: ['react-native', 'main'] },
  build: {
    write: false,
    minify: false,
    lib: { entry: 'hermes.ts', formats: ['iife'], name: 'app', fileName: 'app' },
    rolldownOptions: { external: [] },
  },
})
const platform = readFileSync('platform.js', 'utf8')
const known = `var VECTORS = ${readFileSync(vectors, 'utf8')};\n`
const { outputText } = ts.transpileModule(platform + known + output[0].code, {
  compilerOptions: { target: ts.ScriptTarget.ES5, downlevelIteration: true, module: ts.ModuleKind.None },
})
writeFileSync(target, outputText)
