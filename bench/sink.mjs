// What both services take for Supabase: a key set, and a Realtime that takes every message and counts it.
//   node sink.mjs PORT KEYS.json      GET /count answers {"requests": …, "messages": …}
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [port, keys] = process.argv.slice(2)
const keySet = readFileSync(keys)
const counted = { requests: 0, messages: 0 }

createServer((request, response) => {
  if (request.method === 'GET') {
    const known = request.url.endsWith('/jwks.json') ? keySet : request.url === '/count' && JSON.stringify(counted)
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' }).end(known || '{}')
    return
  }
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    counted.requests += 1
    const single = request.url.includes('/events/')
    counted.messages += single ? 1 : (JSON.parse(Buffer.concat(parts)).messages?.length ?? 0)
    response.writeHead(202).end()
  })
}).listen(Number(port), '127.0.0.1', () => console.log('ready'))
