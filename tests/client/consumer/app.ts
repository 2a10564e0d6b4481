// What an app does with the package: pay, and tell what became of it. Answers with one JSON line.
import { createBackendClient, type LocalCode, type ProblemCode, paginate, unwrap, type WalletOut } from '@lingualink/backend-client'
import { createClient } from '@supabase/supabase-js'

const [, , url = ''] = process.argv
const supabase = createClient(url, 'sb_publishable_of_nobody', { auth: { persistSession: false } })
const backend = createBackendClient({ url, supabase })

const wallet: WalletOut = unwrap(await backend.GET('/wallet'))
const { data, error } = await backend.POST('/wallet/transfers', {
  body: { recipient_id: wallet.user_id, amount: '999.00' },
})
const code: ProblemCode | LocalCode | undefined = error?.code
const versions: number[] = []
for await (const row of paginate(backend, '/wallet/transactions')) versions.push(row.version)

// @ts-expect-error types reach the app: money is a string
const balance: number = wallet.balance

console.log(JSON.stringify({ balance, code, paid: data !== undefined, versions }))
