import { globSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { millraceHere } from '../support/command-here.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly annotations: { readonly runbook_url: string } }[] }[]
}

async function linksIn(folder: string): Promise<string[]> {
  const { groups }: Rules = parse(await readFile(join(folder, 'prometheus/alerts.yml'), 'utf8'))
  return groups.flatMap(({ rules }) => rules.map(({ annotations }) => annotations.runbook_url))
}

describe('dashboards export', () => {
  test('writes every dashboard as it is in the repository, and alerts whose links lead to the runbooks beside them', async () => {
    await using folder = await temporaryDirectory()
    const target = join(folder.path, 'monitoring')

    const { code, stdout } = await millraceHere(['dashboards', 'export', target])

    expect([code, stdout]).toEqual([0, `wrote 21 files to ${target}: 5 in grafana, 1 in prometheus, 15 in runbooks\n`])
    for (const name of ['embedding', 'index', 'overview', 'runtime', 'tasks']) {
      const file = `grafana/millrace-${name}.json`
      expect(await readFile(join(target, file), 'utf8')).toBe(await readFile(join('deploy', file), 'utf8'))
    }
    const links = await linksIn(target)
    expect(links).toHaveLength(15)
    for (const link of links) expect(await readFile(join(target, link), 'utf8')).toMatch(/^# /)
  })

  test('links alerts to where readers find the runbooks', async () => {
    await using folder = await temporaryDirectory()

    await millraceHere(['dashboards', 'export', folder.path, '--runbooks', 'https://wiki.example.com/millrace/'])

    for (const link of await linksIn(folder.path))
      expect(link).toMatch(/^https:\/\/wiki\.example\.com\/millrace\/[a-z-]+\.md$/)
  })

  test('writes over nothing that somebody has changed, unless told to; again it changes nothing', async () => {
    await using folder = await temporaryDirectory()
    const board = join(folder.path, 'grafana/millrace-tasks.json')
    await mkdir(join(folder.path, 'grafana'))
    await writeFile(board, '{}')

    const refused = await millraceHere(['dashboards', 'export', folder.path])
    const left = globSync('**/*.*', { cwd: folder.path })
    const forced = await millraceHere(['dashboards', 'export', folder.path, '--force'])
    const again = await millraceHere(['dashboards', 'export', folder.path])

    expect([refused.code, forced.code, again.code]).toEqual([2, 0, 0])
    expect(refused.stderr).toMatch(/^USAGE: grafana\/millrace-tasks\.json: there already, and different/)
    expect(left).toEqual(['grafana/millrace-tasks.json'])
    expect(await readFile(board, 'utf8')).not.toBe('{}')
  })

  test('says in a sentence that a link is no URL, and that a folder is none', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'file')
    await writeFile(file, '')

    const noUrl = await millraceHere(['dashboards', 'export', folder.path, '--runbooks', 'wiki'])
    const noFolder = await millraceHere(['dashboards', 'export', file])

    expect([noUrl.code, noUrl.stderr]).toEqual([2, expect.stringContaining('Give a URL, such as https://')])
    expect(noFolder.stderr).toMatch(/^STATE_IO: .*file cannot be written: ENOTDIR/)
  })
})
