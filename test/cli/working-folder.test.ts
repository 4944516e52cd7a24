import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { millrace } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('npm run millrace works in the folder in which its user is, although npm starts it in another', async () => {
  await using folder = await temporaryDirectory()

  const { code } = await millrace(['init', 'own.yaml'], {
    env: { npm_lifecycle_event: 'millrace', INIT_CWD: folder.path },
  })

  expect(code).toBe(0)
  expect(existsSync(join(folder.path, 'own.yaml'))).toBe(true)
})
