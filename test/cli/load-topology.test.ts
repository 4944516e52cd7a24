import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const files = {
  'syntax.ts': 'export default 1 +',
  'script.mjs': 'export default { a: 1 b: 2 }',
  'enum.ts': '\nenum Colour { Red }\nexport default Colour',
  'package.ts': "\nimport { pad } from 'no-such-package'\nexport default pad",
  'path.ts': "import { pad } from './no-such-file.ts'\nexport default pad",
  'name.ts': "import { Nothing } from 'millrace'\nexport default Nothing",
  'throws.ts': 'const nothing: { a?: { b: number } } = {}\nexport default nothing.a.b',
  'imports.ts': "import topology from './throws.ts'\nexport default topology",
  'own.ts':
    "import { TopologyBuilder } from 'millrace'\nnew TopologyBuilder().stream('a', undefined as never).process(undefined as never)",
  'text.ts': "throw 'a text'",
  'topology.txt': 'nothing',
} as const

/** What loading each of them says, with the folder left out. Node itself loads them, as it does for a user: vitest has a loader of its own. */
const said = new Map<string, string>()

beforeAll(async () => {
  await using folder = await temporaryDirectory()
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  await mkdir(join(folder.path, 'folder'))
  const names = [...Object.keys(files), 'folder']
  const loader = new URL('../../src/cli/load-topology.ts', import.meta.url)
  const program = `
    import { loadTopology } from ${JSON.stringify(loader)}
    const load = (name) => loadTopology(name).catch((error) => error.message)
    process.stdout.write(JSON.stringify(await Promise.all(${JSON.stringify(names)}.map(load))))`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: folder.path,
    encoding: 'utf8',
  })
  const messages: string[] = JSON.parse(output)
  for (const [at, name] of names.entries()) said.set(name, String(messages[at]).replaceAll(`${folder.path}/`, ''))
})

const syntax = 'Correct the syntax'
const run = 'The file is run to get its topology: correct what it throws there.'

test.each<[string, string, RegExp]>([
  [
    'that does not compile',
    'syntax.ts',
    /^TOPOLOGY_FILE: syntax\.ts:1 cannot be loaded: .*\. Correct the syntax there\.$/,
  ],
  [
    'in JavaScript that does not compile',
    'script.mjs',
    new RegExp(`^TOPOLOGY_FILE: script\\.mjs cannot be .* ${syntax}`),
  ],
  ['with an enum', 'enum.ts', /^TOPOLOGY_FILE: enum\.ts:2 cannot be loaded: .* write it without enums/],
  [
    'that imports no package',
    'package.ts',
    /package\.ts:2 cannot .* Install it beside the file: npm install no-such-package\.$/,
  ],
  ['that imports no file', 'path.ts', /path\.ts:1 cannot .* Correct the path of the import/],
  ['that imports no name', 'name.ts', /name\.ts:1 cannot .*'Nothing'\. Import a name that the module exports\.$/],
  ['that throws', 'throws.ts', new RegExp(`throws\\.ts:2 cannot be loaded: Cannot read .* ${run}$`)],
  [
    'that imports one that throws',
    'imports.ts',
    new RegExp(`imports\\.ts cannot be loaded: throws\\.ts:2: .* ${run}$`),
  ],
  ['that throws in the package', 'own.ts', new RegExp(`own\\.ts:2 cannot be loaded: Cannot read .* ${run}$`)],
  ['that throws what is no error', 'text.ts', new RegExp(`text\\.ts cannot be loaded: a text\\. ${run}$`)],
  ['of another kind', 'topology.txt', /Name a topology \(\.ts, \.js, \.mjs\) or a pipeline \(\.yaml\)\.$/],
  ['that is a folder', 'folder', /Name the file itself, not its folder\.$/],
])('a topology file %s is told with its line, where there is one, and the fix of that', (_, name, message) => {
  expect(said.get(name)).toMatch(message)
})
