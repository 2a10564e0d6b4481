import { defineConfig } from 'vitest/config'

// The lowest version of supabase-js that the package allows is installed beside the newest.
const oldest = process.env.LINGUALINK_SUPABASE_JS === 'oldest'

export default defineConfig({
  resolve: oldest ? { alias: { '@supabase/supabase-js': 'supabase-js-oldest' } } : {},
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A broken subscription would let every test of it wait that long.
    bail: 3,
    // The machine's processors have a backend and a database to run as well.
    maxWorkers: 2,
  },
})
