#!/usr/bin/env node
import { exit } from './exit.ts'
import { createProgram } from './program.ts'

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  exit(error)
}
