/** Servers that stand where the backend or Supabase would, and fail as a network does. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** What a server was asked. */
export interface Asked {
  method: string
  path: string
  key: string | undefined
  token: string | undefined
  at: number
}

/** A connection that rests is closed by whoever opened it: closed from here, it could be under a request just sent. */
const PATIENT = { keepAliveTimeout: 0 }

export type Answer = (response: ServerResponse) => void

/** Answer with JSON; a `code` makes it a problem document. */
export function json(status: number, body: object, headers: Record<string, string> = {}): Answer {
  const type = 'code' in body ? 'application/problem+json' : 'application/json'
  return (response) => {
    response.writeHead(status, { 'Content-Type': type, ...headers }).end(JSON.stringify(body))
  }
}

/** A problem document as the backend words it. */
export function problem(status: number, code: string, headers: Record<string, string> = {}): Answer {
  const body = { type: 'about:blank', title: code, status, detail: code, code, request_id: 'r' }
  return json(status, body, headers)
}

/** Cut the connection in place of an answer. */
export const cut: Answer = (response) => response.socket?.destroy()

/** Take the request and never answer. */
export const silence: Answer = () => {}

/** A server that gives each of `answers` in turn, the last one for ever, until the test ends. */
export async function serve(...answers: [Answer, ...Answer[]]): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer(PATIENT, (incoming, response) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] as Answer
    asked.push(askedOf(incoming))
    incoming.resume().on('end', () => answer(response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** A proxy before `target` that loses the first answer to a POST after it has arrived, until the test ends. */
export function losingTheFirstAnswer(target: string): Promise<{ url: string; asked: Asked[] }> {
  return passing(target, 'after', cut)
}

/**
 * A proxy before `target` that gives each of `faults` in turn in place of the answer to a POST, before or after that was
 * carried out, and passes on what comes then, until the test ends.
 */
export async function passing(
  target: string,
  phase: 'before' | 'after',
  ...faults: Answer[]
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const left = [...faults]
  const server = createServer(PATIENT, (incoming, response) => {
    asked.push(askedOf(incoming))
    const fault = incoming.method === 'POST' ? left.shift() : undefined
    if (fault && phase === 'before') {
      incoming.resume().on('end', () => fault(response))
      return
    }
    const onward = request(
      new URL(incoming.url ?? '/', target),
      { method: incoming.method ?? 'GET', headers: incoming.headers },
      (answer) => {
        if (fault) answer.resume().on('end', () => fault(response))
        else answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers))
      },
    )
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** A cable to `target` that can be pulled out and put in again, until the test ends. */
export async function cable(target: string): Promise<{ url: string; pull(): void; plug(): void }> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let plugged = true
  const server = createTcpServer((near) => {
    if (!plugged) {
      near.destroy()
      return
    }
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const pull = () => {
    plugged = false
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    server.close()
    pull()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pull,
    plug: () => {
      plugged = true
    },
  }
}

function askedOf(incoming: IncomingMessage): Asked {
  const key = incoming.headers['idempotency-key']
  return {
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    key: Array.isArray(key) ? key[0] : key,
    token: incoming.headers.authorization?.replace('Bearer ', ''),
    at: performance.now(),
  }
}
