// `helm test`: waits until the probes answer 200 and the metrics are those of Millrace.
//   node probes.mjs <base url>
import { setTimeout as pause } from 'node:timers/promises'

const [base] = process.argv.slice(2)
const deadline = Date.now() + Number(process.env.MILLRACE_TEST_SECONDS ?? 300) * 1000

for (const path of ['/startupz', '/livez', '/readyz']) await answered(path, () => true)
await answered('/metrics', (text) => text.includes('\nmillrace_build_info'))

/** Asks until it gets 200 and a fitting text; says what came instead when the time is up. */
async function answered(path, fits) {
  for (;;) {
    const found = await ask(base + path)
    if (found.status === 200 && fits(found.text)) return process.stdout.write(`ok   ${path}\n`)
    if (Date.now() > deadline) {
      process.stderr.write(`FAIL ${path}: ${found.status} ${found.text.slice(0, 500)}\n`)
      process.exit(1)
    }
    await pause(1000)
  }
}

async function ask(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    return { status: 'no answer:', text: String(error.cause ?? error) }
  }
}
