import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { millrace } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const counting = (name: string) => `
import { string, TopologyBuilder } from 'millrace'
import { kafka } from 'millrace/connectors'
import { count } from 'millrace/operators'

const builder = new TopologyBuilder()
builder.stream('in', kafka({ topic: 'in', key: string, value: string })).process(count('${name}'))
export default builder.build()
`

test('describe --against ends with 1 when the new version loses state of the one before, and says which', async () => {
  await using folder = await temporaryDirectory()
  const [before, after, description] = ['before.ts', 'after.ts', 'before.json'].map((name) => join(folder.path, name))
  await writeFile(before ?? '', counting('counts'))
  await writeFile(after ?? '', counting('totals'))
  const printed = await millrace(['describe', before ?? '', '--json'])
  await writeFile(description ?? '', printed.stdout)

  const [same, renamed, wrong] = await Promise.all([
    millrace(['describe', before ?? '', '--against', description ?? '']),
    millrace(['describe', after ?? '', '--against', before ?? '']),
    millrace(['describe', after ?? '', '--against', join(folder.path, 'none.json')]),
  ])

  expect(same).toMatchObject({ code: 0, stdout: 'no store and no topic has changed\n' })
  expect(renamed.code).toBe(1)
  expect(renamed.stdout).toContain('- changelog counts-changelog is gone: stays on the broker')
  expect(renamed.stdout).toMatch(/state is lost in 2 of 3 changes\n$/)
  expect(wrong).toMatchObject({ code: 78, stderr: expect.stringContaining('TOPOLOGY_FILE') })
})
