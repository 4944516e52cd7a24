import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProgram } from './command-line.ts'
import { temporaryDirectory } from './temporary-directory.ts'

test('a character that a program writes in two pieces is one character', async () => {
  await using folder = await temporaryDirectory()
  const program = join(folder.path, 'program.mjs')
  const bytes = `[...Buffer.from('é')]`
  await writeFile(
    program,
    `for (const byte of ${bytes}) await new Promise((done) => process.stdout.write(Buffer.of(byte), () => setTimeout(done, 20)))`,
  )

  const { stdout } = await startProgram(program, []).result

  expect(stdout).toBe('é')
})
