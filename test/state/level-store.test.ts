import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openExpendableStore, openLevelStore } from '../../src/state/level-store.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const key = Buffer.from('key')

describe('a store on LevelDB', () => {
  test('holds after a reopen what was written before', async () => {
    await using folder = await temporaryDirectory()
    const first = await openLevelStore(folder.path)
    await first.write([{ key, value: Buffer.from('kept') }], { sync: true })
    await first.close()

    await using second = await openLevelStore(folder.path)

    expect(Buffer.from(second.get(key) ?? []).toString()).toBe('kept')
  })

  test('gives the disk back what deleted keys took, when it is asked to', async () => {
    await using folder = await temporaryDirectory()
    await using store = await openLevelStore(folder.path, { writeBufferBytes: 256 * 1024 })
    const keys = Array.from({ length: 400 }, (_, number) => Buffer.from(String(number).padStart(3, '0')))
    for (const each of keys) await store.write([{ key: each, value: randomBytes(10_000) }])
    const [first = key, last = key] = [keys[0], keys[389]]
    await store.clear({ gte: first, lte: last })

    await store.compact?.(first, last)

    const sizes = (await readdir(folder.path)).map((name) => statSync(join(folder.path, name)).size)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_000_000)
    expect((await Array.fromAsync(store.range())).map(([each]) => Buffer.from(each))).toEqual(keys.slice(390))
  })

  test('refuses a directory that this process has open, by name', async () => {
    await using folder = await temporaryDirectory()
    await using _first = await openLevelStore(folder.path)

    const second = openLevelStore(folder.path)

    await expect(second).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      fact: expect.stringContaining(folder.path),
    })
  })

  test('refuses a directory that another process has open, until that one is killed', async () => {
    await using folder = await temporaryDirectory()
    const holder = spawn(process.execPath, [join(import.meta.dirname, '../support/lock-holder.ts'), folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')

    const during = await openLevelStore(folder.path).catch((error: unknown) => error)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const after = await openLevelStore(folder.path)
    await after.close()

    expect(during).toMatchObject({ code: 'STATE_LOCKED' })
  })

  test.runIf(existsSync('/proc/self'))('says that it cannot be where no folder can be made', async () => {
    const opened = openLevelStore('/proc/nowhere/store')

    await expect(opened).rejects.toMatchObject({ code: 'STATE_IO' })
  })

  test('reports damaged and vanished files as STATE_CORRUPT', async () => {
    await using folder = await temporaryDirectory()
    await (await openLevelStore(folder.path)).close()
    const manifest = (await readdir(folder.path)).find((name) => name.startsWith('MANIFEST')) ?? ''

    await writeFile(join(folder.path, manifest), 'not a manifest')
    const damaged = openLevelStore(folder.path)
    await expect(damaged).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    await rm(join(folder.path, manifest))
    const vanished = openLevelStore(folder.path)

    await expect(vanished).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
  })

  test('reports a place that cannot hold a directory as STATE_IO', async () => {
    await using folder = await temporaryDirectory()
    const file = join(folder.path, 'file')
    await writeFile(file, '')

    const store = openLevelStore(join(file, 'store'))

    await expect(store).rejects.toMatchObject({ code: 'STATE_IO' })
  })

  test('closes while an iteration is half way; the iteration then ends with ILLEGAL_STATE', async () => {
    await using folder = await temporaryDirectory()
    const store = await openLevelStore(folder.path)
    await store.write(Array.from({ length: 1000 }, (_, index) => ({ key: Buffer.from(String(index)), value: key })))
    const entries = store.range()
    const read = async () => {
      for await (const _ of entries) await store.close()
    }

    const reading = read()

    await expect(reading).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
  })
})

describe('a store that may be lost', () => {
  /** Whatever it held, with files that are as a broken disk may leave them. */
  async function damagedStore() {
    const folder = await temporaryDirectory()
    const store = await openLevelStore(folder.path)
    await store.write([{ key, value: Buffer.from('lost') }])
    await store.close()
    await writeFile(join(folder.path, 'CURRENT'), 'nothing that LevelDB writes')
    return folder
  }

  test('starts again empty when it is damaged', async () => {
    await using folder = await damagedStore()

    await using store = await openExpendableStore(folder.path)

    expect(await Array.fromAsync(store.range())).toEqual([])
  })

  test('keeps what it holds when it is not', async () => {
    await using folder = await temporaryDirectory()
    const first = await openExpendableStore(folder.path)
    await first.write([{ key, value: key }])
    await first.close()

    await using second = await openExpendableStore(folder.path)

    expect(await Array.fromAsync(second.range())).toHaveLength(1)
  })

  test('keeps the file that is locked: of two that find the damage at once, one gets it', async () => {
    await using folder = await damagedStore()
    await writeFile(join(folder.path, 'LOCK'), 'the same')

    await using _store = await openExpendableStore(folder.path)

    expect(await readFile(join(folder.path, 'LOCK'), 'utf8')).toBe('the same')
  })

  test('is not emptied while another process has it open', async () => {
    await using folder = await temporaryDirectory()
    const holder = spawn(process.execPath, [join(import.meta.dirname, '../support/lock-holder.ts'), folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    await writeFile(join(folder.path, 'CURRENT'), 'nothing that LevelDB writes')
    const before = await readdir(folder.path)

    const opened = await openExpendableStore(folder.path).catch((error: unknown) => error)
    holder.kill('SIGKILL')
    await once(holder, 'exit')

    expect(opened).toMatchObject({ code: 'STATE_LOCKED' })
    expect(await readdir(folder.path)).toEqual(expect.arrayContaining(before))
  })
})
