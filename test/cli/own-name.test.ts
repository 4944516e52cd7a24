import { expect, test } from 'vitest'
import { asStarted, ownName, shellWord } from '../../src/cli/own-name.ts'

test.each([
  [
    'a clone',
    { npm_command: 'run-script', npm_lifecycle_event: 'millrace' },
    '/clone/src/cli/main.ts',
    'npm run -s millrace --',
  ],
  ['sources without npm', {}, '/clone/src/cli/main.ts', 'node ../clone/src/cli/main.ts'],
  ['npx', { npm_command: 'exec', npm_lifecycle_event: 'npx' }, '/app/node_modules/.bin/millrace', 'npx millrace'],
  [
    'an npm script of the user',
    { npm_command: 'run-script', npm_lifecycle_event: 'index' },
    '/x/millrace',
    'npx millrace',
  ],
  ['the folder of a package', {}, '/app/node_modules/.bin/millrace', 'npx millrace'],
  ['a global installation', {}, '/usr/local/bin/millrace', 'millrace'],
])('started from %s a hint names a command that exists there', (_, env, script, name) => {
  expect(ownName({ env, script, directory: '/work' })).toBe(name)
})

test('a command in a sentence of the library becomes one that exists, and other words stay', () => {
  const sentence = 'Run `millrace index` on /srv/millrace first; see `millrace model list`.'

  expect(asStarted(sentence, 'npx millrace')).toBe(
    'Run `npx millrace index` on /srv/millrace first; see `npx millrace model list`.',
  )
})

test.each([
  ['.millrace', '.millrace'],
  ['my index', "'my index'"],
  ["it's", "'it'\\''s'"],
])('the text %s is one word of a shell', (text, word) => {
  expect(shellWord(text)).toBe(word)
})
