import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/clock.ts'
import { openStateDirectory } from '../../src/state/state-directory.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const minute = 60_000

describe('the state directory', () => {
  test('belongs to one holder at a time, and is named when it is refused', async () => {
    await using root = await temporaryDirectory()
    const first = await openStateDirectory(root.path, 'search')
    await using other = await openStateDirectory(root.path, 'another-application')

    const second = openStateDirectory(root.path, 'search')
    await expect(second).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      fact: expect.stringContaining(join(root.path, 'search')),
    })
    await first.close()
    await using third = await openStateDirectory(root.path, 'search')

    expect(third.path).toBe(join(root.path, 'search'))
    expect(other.path).not.toBe(third.path)
  })

  test('repeats nothing of a format that no version writes', async () => {
    await using root = await temporaryDirectory()
    const path = join(root.path, 'search')
    await mkdir(path)
    await writeFile(join(path, 'format'), Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0xff]))

    const opening = openStateDirectory(root.path, 'search')

    await expect(opening).rejects.toMatchObject({
      code: 'STATE_FORMAT',
      fact: `${path} has a format that cannot be read; this version reads format 1`,
    })
  })

  test('refuses what a newer version wrote, and writes nothing into it', async () => {
    await using root = await temporaryDirectory()
    const path = join(root.path, 'search')
    await mkdir(path)
    await writeFile(join(path, 'format'), '2\n')

    const opening = openStateDirectory(root.path, 'search')

    await expect(opening).rejects.toMatchObject({ code: 'STATE_FORMAT' })
    expect(await readdir(path)).toEqual(['format'])
    expect(await readFile(join(path, 'format'), 'utf8')).toBe('2\n')
  })

  test('opens again what it made itself', async () => {
    await using root = await temporaryDirectory()
    await (await openStateDirectory(root.path, 'search')).close()

    await using again = await openStateDirectory(root.path, 'search')

    expect(await readFile(join(again.path, 'format'), 'utf8')).toBe('1\n')
  })

  test('knows of each task whether it was left clean, and since when', async () => {
    await using root = await temporaryDirectory()
    const clock = new ManualClock(1_000_000)
    const before = await openStateDirectory(root.path, 'search', { clock })
    for (const task of ['0_0', '0_1', '0_2'] as const) {
      const acquired = await before.acquire(task)
      expect(acquired).toEqual({ path: join(before.path, task), left: 'none', ageMs: Number.POSITIVE_INFINITY })
      await mkdir(acquired.path)
    }
    clock.advance(5 * minute)
    await before.release('0_0', 'clean')
    await before.release('0_1', 'unclean')
    clock.advance(5 * minute)
    await before.touch()
    await before.close()

    clock.advance(10 * minute)
    await using after = await openStateDirectory(root.path, 'search', { clock })
    await after.touch()
    const [clean, unclean, crashed] = [
      await after.acquire('0_0'),
      await after.acquire('0_1'),
      await after.acquire('0_2'),
    ]

    expect(clean).toMatchObject({ left: 'clean', ageMs: 15 * minute })
    expect(unclean).toMatchObject({ left: 'unclean', ageMs: 15 * minute })
    // Nobody released it: it was in use until the last sign of life.
    expect(crashed).toMatchObject({ left: 'unclean', ageMs: 10 * minute })
  })

  test('a task that is acquired again without a clean release was left unclean', async () => {
    await using root = await temporaryDirectory()
    await using directory = await openStateDirectory(root.path, 'search')
    await mkdir((await directory.acquire('0_0')).path)

    const twice = directory.acquire('0_0')
    await expect(twice).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    await directory.release('0_0', 'unclean')

    expect(await directory.acquire('0_0')).toMatchObject({ left: 'unclean' })
  })

  test('lists and removes task folders', async () => {
    await using root = await temporaryDirectory()
    await using directory = await openStateDirectory(root.path, 'search')
    for (const task of ['0_0', '0_11', '1_0'] as const) await mkdir((await directory.acquire(task)).path)
    await directory.release('0_11', 'clean')

    await directory.remove('0_11')
    await directory.remove('7_7')

    expect((await directory.tasks()).sort()).toEqual(['0_0', '1_0'])
    expect(await directory.acquire('0_11')).toMatchObject({ left: 'none' })
  })

  test('a held task stays held when its folder is removed, and counts as unclean after a crash', async () => {
    await using root = await temporaryDirectory()
    const before = await openStateDirectory(root.path, 'search')
    const { path } = await before.acquire('0_0')
    await mkdir(path)

    await before.remove('0_0')
    await mkdir(path)
    await before.close()

    await using after = await openStateDirectory(root.path, 'search')
    expect(await after.acquire('0_0')).toMatchObject({ left: 'unclean' })
  })

  test('when its own marks are damaged, every task counts as left unclean long ago', async () => {
    await using root = await temporaryDirectory()
    const before = await openStateDirectory(root.path, 'search')
    await mkdir((await before.acquire('0_0')).path)
    await before.release('0_0', 'clean')
    await before.close()
    const meta = join(before.path, 'meta')
    const manifest = (await readdir(meta)).find((name) => name.startsWith('MANIFEST')) ?? ''
    await writeFile(join(meta, manifest), 'not a manifest')

    await using after = await openStateDirectory(root.path, 'search')

    expect(await after.acquire('0_0')).toMatchObject({ left: 'unclean', ageMs: Number.POSITIVE_INFINITY })
  })

  test('a place that cannot be written is STATE_IO', async () => {
    await using root = await temporaryDirectory()
    await writeFile(join(root.path, 'search'), 'a file, not a folder')

    const opening = openStateDirectory(root.path, 'search')

    await expect(opening).rejects.toMatchObject({ code: 'STATE_IO' })
  })
})

describe('the positions of tasks', () => {
  test('are known of what nobody holds and somebody has followed lately, also after a crash', async () => {
    await using root = await temporaryDirectory()
    const clock = new ManualClock(1_000_000)
    const before = await openStateDirectory(root.path, 'search', { clock })
    for (const task of ['0_0', '0_1', '0_2'] as const) await before.acquire(task)
    await before.release('0_0', 'unclean', 7)
    clock.advance(60 * minute)
    await before.release('0_1', 'clean', 8)
    await before.touch(new Map([['0_2', 9]]))
    const known = before.positions(30 * minute)
    await before.close()

    await using after = await openStateDirectory(root.path, 'search', { clock })

    expect([...known]).toEqual([['0_1', 8]])
    expect([...after.positions(90 * minute)]).toEqual([
      ['0_0', 7],
      ['0_1', 8],
      ['0_2', 9],
    ])
  })
})
