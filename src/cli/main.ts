import { setFlagsFromString } from 'node:v8'
import { exit } from './exit.ts'
import { createProgram } from './program.ts'

// On a machine with much memory V8 lets a heap grow by hundreds of megabytes before it looks for garbage. This process lives beside
// brokers and databases: it had rather look more often. The size of the young generation can only be set on the command line: see bin.ts.
setFlagsFromString('--heap-growing-percent=30')

// ONNX Runtime would keep a device id and a file of events, and has an address to upload them to. It looks when it is loaded.
process.env.ORT_DISABLE_TELEMETRY ??= '1'

// npm starts a script in the root of the package, wherever its user is.
if (process.env.npm_lifecycle_event === 'millrace' && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD)

// Whoever reads our output may stop early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  exit(error)
}
