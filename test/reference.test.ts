import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { referenceFile, withTables } from '../scripts/reference.ts'
import { createProgram } from '../src/cli/program.ts'
import * as embedding from '../src/embed/index.ts'
import { StreamError } from '../src/errors.ts'
import * as operators from '../src/operators/index.ts'

const page = readFileSync(referenceFile, 'utf8')

test('docs/reference.md has the errors, settings and metrics of the code', () => {
  expect(page).toBe(withTables(page))
})

test('docs/reference.md has every command with every flag', () => {
  for (const command of createProgram().commands) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${command.name()}`))
    expect(row, `a row for ${command.name()}`).toBeDefined()
    for (const option of command.options) {
      expect(row, `${option.flags} of ${command.name()}`).toContain(option.long ?? option.short ?? '')
    }
  }
})

test('docs/reference.md names every operator', () => {
  const { compareManifests: _, ...suppliers } = operators
  const functions = Object.keys({ ...suppliers, embed: embedding.embed })
  expect(functions.filter((name) => !page.includes(`\`${name}`))).toEqual([])
})

test('an error is one sentence with code, fact and fix', () => {
  const error = new StreamError('TOPIC_MISSING', 'topic "a" does not exist')

  expect(error.message).toBe('TOPIC_MISSING: topic "a" does not exist. Create the topic.')
  expect(error).toMatchObject({ reaction: 'fatal', exitCode: 78 })
})
