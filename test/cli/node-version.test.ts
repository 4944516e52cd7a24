import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { needsNewerNode, oldestNode } from '../../src/cli/node-version.ts'

test.each(['18.0.0', '20.20.2', '22.9.0', '22.21.9'])(
  'whoever has Node %s is told to install a newer one',
  (version) => {
    expect(needsNewerNode(version)).toMatch(`millrace needs Node 22.22 or newer, and this is Node ${version}. `)
  },
)

test.each(['22.22.0', '22.100.0', '24.0.0', '100.1.0'])('Node %s is new enough', (version) => {
  expect(needsNewerNode(version)).toBeUndefined()
})

test('the package asks for the same Node', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

  expect(engines.node).toBe(`>=${oldestNode}`)
})

test('the command that is installed links on every Node until it has looked which one it is', () => {
  const bin = readFileSync(new URL('../../src/cli/bin.ts', import.meta.url), 'utf8')

  const imports = [...bin.matchAll(/^import .* from '(.*)'$/gm)].map((match) => match[1])

  expect(imports).toEqual(['./node-version.ts'])
})
