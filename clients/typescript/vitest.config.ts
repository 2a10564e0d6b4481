import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // A broken subscription would let every test of it wait that long.
    bail: 3,
    // The machine's processors have a backend and a database to run as well.
    maxWorkers: 2,
  },
})
