// The same app as app.ts where there are no ES modules: an older Node, or Jest. Answers with one JSON line.
const { createBackendClient, paginate, unwrap } = require('@lingualink/backend-client')
const { answerFixture } = require('@lingualink/backend-client/testing')
const { createClient } = require('@supabase/supabase-js')

const [, , url] = process.argv
const supabase = createClient(url, 'sb_publishable_of_nobody', { auth: { persistSession: false } })
const backend = createBackendClient({ url, supabase })

async function main() {
  const wallet = unwrap(await backend.GET('/wallet'))
  const { data, error } = await backend.POST('/wallet/transfers', {
    body: { recipient_id: answerFixture('GET /wallet').user_id, amount: '999.00' },
  })
  const versions = []
  for await (const row of paginate(backend, '/wallet/transactions')) versions.push(row.version)
  console.log(JSON.stringify({ balance: wallet.balance, code: error?.code, paid: data !== undefined, versions }))
}

main()
