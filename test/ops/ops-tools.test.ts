import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { findTool, toolOrSkip } from '../support/ops-tools.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

test('a program is taken from the folder that MILLRACE_OPS_TOOLS names, if it can be run', async () => {
  await using folder = await temporaryDirectory()
  const program = join(folder.path, 'helm')
  writeFileSync(program, '')
  vi.stubEnv('MILLRACE_OPS_TOOLS', folder.path)

  expect(findTool('helm')).not.toBe(program)
  chmodSync(program, 0o755)
  expect(findTool('helm')).toBe(program)
})

test('without a program tests are skipped with one line, and fail where it is required', () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  vi.stubEnv('MILLRACE_REQUIRE_OPS', '0')

  expect(toolOrSkip('helm', [])).toBeUndefined()
  expect(warn.mock.calls.flat().join()).toContain('SKIPPED')

  vi.stubEnv('MILLRACE_REQUIRE_OPS', '1')
  expect(() => toolOrSkip('helm', [])).toThrow('helm is not in MILLRACE_OPS_TOOLS, not on the PATH')
})
