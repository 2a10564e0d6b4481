// JSON lines: what a script is told comes in on standard input, what it has to tell goes out on standard output.
import { createInterface } from 'node:readline'

export const options = JSON.parse(process.argv[2])

export function tell(event, details = {}) {
  process.stdout.write(JSON.stringify({ event, ...details }) + '\n')
}

export async function obey(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...given } = JSON.parse(line)
    try {
      await commands[command](given)
    } catch (error) {
      tell('failed', { command, message: String(error?.stack ?? error) })
    }
  }
  process.exit(0)
}
