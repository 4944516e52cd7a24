import { spawnSync } from 'node:child_process'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { millraceHere } from '../support/command-here.ts'

/** A command line that somebody has begun, and what has to be among what is offered next. */
interface Begun {
  readonly words: readonly string[]
  readonly expected: readonly string[]
}

/** Every command and option of the program, as the program itself has them. */
function begun(command: Command, words: readonly string[] = []): Begun[] {
  const expected = command.options.filter(({ hidden }) => !hidden).map(({ long, short }) => long ?? short ?? '')
  const values = command.options.flatMap(({ long, argChoices }) =>
    long && argChoices ? [{ words: [...words, long, ''], expected: argChoices }] : [],
  )
  return [
    { words: [...words, '-'], expected: [...expected, '--help'] },
    { words: [...words, ''], expected: command.commands.map((inner) => inner.name()) },
    ...values,
    ...command.commands.flatMap((inner) => begun(inner, [...words, inner.name()])),
  ]
}

const everything = begun(createProgram()).filter(({ expected }) => expected.length > 0)

async function scriptFor(shell: string): Promise<string> {
  return (await millraceHere(['completion', shell])).stdout
}

/** What bash offers for each command line, all of them in one shell. */
async function offeredByBash(lines: readonly (readonly string[])[]): Promise<string[][]> {
  const asked = lines.map((words) => {
    const quoted = ['millrace', ...words].map((word) => `'${word}'`).join(' ')
    return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _millrace; echo "\${COMPREPLY[*]}"`
  })
  const script = `${await scriptFor('bash')}\n${asked.join('\n')}\n`
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-s'], { input: script, encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.split('\n').map((line) => line.split(' '))
}

describe('completion', () => {
  test('in bash offers every command, option and value of the program', async () => {
    const offered = await offeredByBash(everything.map(({ words }) => words))

    for (const [at, { words, expected }] of everything.entries())
      expect(offered[at], words.join(' ')).toEqual(expect.arrayContaining([...expected]))
  })

  test('in bash offers what has been begun, and files where anything may stand', async () => {
    const offered = await offeredByBash([
      ['ru'],
      ['run', '--met'],
      ['run', '--metrics', 'd'],
      ['run', ''],
      ['run', '--state', ''],
    ])

    expect(offered.slice(0, 5)).toEqual([['run'], ['--metrics'], ['debug'], [''], ['']])
  })

  test.each(['zsh', 'fish'])('in %s names every command, option and value at its place', async (shell) => {
    const script = (await scriptFor(shell)).split('\n')

    for (const { words, expected } of everything) {
      const path = words
        .filter((word) => !word.startsWith('-'))
        .map((word) => word && `/${word}`)
        .join('')
      const begins = script.findIndex((line) => line.includes(`('${path}')`))
      const lines =
        shell === 'fish'
          ? script.filter((line) => line.includes(`"__millrace_at '${path}'"`))
          : [...script.slice(begins, begins + 4), ...script.filter((line) => line.includes(`'${path} `))]
      const text = lines
        .join('\n')
        .replaceAll(/-l (\S+)/g, '--$1')
        .replaceAll(/-s (\S+)/g, '-$1')
      for (const word of expected) expect(text, words.join(' ')).toMatch(new RegExp(`(^|['( ])${word}([': );]|$)`, 'm'))
    }
  })

  test.each(['bash', 'zsh', 'fish'])('in %s is a script that the shell can read, where it is there', async (shell) => {
    const { status, stderr, error } = spawnSync(shell, ['-n'], { input: await scriptFor(shell), encoding: 'utf8' })

    expect(error ? shell : [status, stderr]).toEqual(error ? shell : [0, ''])
  })

  test.each([
    ['bash', 'complete -o default -F _millrace mr'],
    ['zsh', '#compdef mr'],
    ['fish', "complete -c mr -n \"__millrace_at ''\" -f -a 'run'"],
  ])('in %s completes the name that the command is called by', async (shell, line) => {
    const { stdout } = await millraceHere(['completion', shell, '--name', 'mr'])

    expect(stdout).toContain(line)
    expect(stdout).not.toMatch(/(-c|_millrace|#compdef) millrace/)
  })

  test('refuses a name that is more than a word', async () => {
    const { code, stderr } = await millraceHere(['completion', 'bash', '--name', 'npx millrace'])

    expect([code, stderr]).toEqual([2, expect.stringContaining('one word')])
  })

  test('for another shell names those that there are', async () => {
    const { code, stderr } = await millraceHere(['completion', 'csh'])

    expect(code).toBe(2)
    expect(stderr).toMatch(/bash, zsh, fish/)
  })
})
