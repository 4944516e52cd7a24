#!/usr/bin/env node
import { exit } from './exit.ts'
import { createProgram } from './program.ts'

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
