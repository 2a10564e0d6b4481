import { defineConfig } from 'vite'

// Fixed names: the bundle is committed, so that `make run` needs no Node.
export default defineConfig({
  base: '/demo/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    modulePreload: false,
    rollupOptions: {
      output: {
        entryFileNames: 'app.js',
        assetFileNames: 'app.[ext]',
        codeSplitting: false,
      },
    },
  },
})
