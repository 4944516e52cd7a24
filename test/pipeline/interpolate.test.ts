import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { interpolate, readSecretFile } from '../../src/pipeline/interpolate.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const references = {
  environment: { HOST: 'mill', EMPTY: '' },
  readFile: (path: string) => `<${path}>\n`,
}

test.each<[string, string]>([
  [`\${HOST}`, 'mill'],
  [`https://\${HOST}:\${PORT:-6333}/\${HOST}`, 'https://mill:6333/mill'],
  [`\${EMPTY}`, ''],
  [`\${EMPTY:-x}`, 'x'],
  [`\${HOST:-x}`, 'mill'],
  [`\${NONE:-}`, ''],
  [`\${file:-x}`, 'x'],
  [`\${NONE:-a:-b: c}`, 'a:-b: c'],
  [`\${file:/run/secrets/key}`, '</run/secrets/key>'],
  [`$\${HOST}`, `\${HOST}`],
  ['$HOST {HOST} $', '$HOST {HOST} $'],
])('%s gives %s', (text, expected) => {
  expect(interpolate(text, references)).toMatchObject({ text: expected, problems: [] })
})

test.each<[string, string[]]>([
  [`\${NONE}`, ['the environment variable NONE is not set']],
  [`\${NONE} \${NEITHER}`, ['the environment variable NONE is not set', 'the environment variable NEITHER is not set']],
  [`\${constructor}`, ['the environment variable constructor is not set']],
  [`\${HOST`, [`a "\${" has no "}"`]],
  [`\${file:}`, [`\${file:} names no file`]],
  [`\${A:-\${B}}`, [`a default cannot hold another "\${"`]],
  ...['', ' HOST', 'HOST-x', '1A', 'a.b', 'env:HOST'].map((inner): [string, string[]] => [
    `\${${inner}}`,
    [`"\${...}" must be \${VAR}, \${VAR:-default} or \${file:/path}; write "$\${" for the characters themselves`],
  ]),
])('%s is refused', (text, problems) => {
  expect(interpolate(text, references)).toEqual({ text: '', problems, origin: undefined })
})

test('what comes from a file counts as a secret, whatever stands around it', () => {
  expect(interpolate(`\${HOST}\${file:/a}\${HOST}`, references).origin).toBe('file')
  expect(interpolate(`a\${HOST}`, references).origin).toBe('environment')
  expect(interpolate('a', references).origin).toBeUndefined()
})

describe('a secret file', () => {
  test('is read as it is, without the line break at its end', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'secret')
    await writeFile(file, ' a\n\nb \r\n')

    expect(interpolate(`\${file:${file}}`, { environment: {}, readFile: readSecretFile }).text).toBe(' a\n\nb ')
  })

  test.each<[string, string]>([
    ['none', 'ENOENT'],
    ['folder', 'it is no file'],
    ['large', 'it has more than 1 MiB'],
    ['binary', 'it is no text'],
    ['\u0000', 'ERR_INVALID_ARG_VALUE'],
  ])('%j cannot be read (%s)', async (name, reason) => {
    await using folder = await temporaryDirectory()
    const at = (file: string) => join(folder.path, file)
    await mkdir(at('folder'))
    await writeFile(at('large'), '')
    await truncate(at('large'), 1024 * 1024 + 1)
    await writeFile(at('binary'), new Uint8Array([0xff, 0xfe]))

    const { problems } = interpolate(`\${file:${at(name)}}`, { environment: {}, readFile: readSecretFile })

    expect(problems).toEqual([`the file ${at(name)} cannot be read (${reason})`])
  })
})
