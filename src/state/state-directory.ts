import { readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { isStreamError, StreamError, toStreamError } from '../errors.ts'
import { openExpendableStore } from './level-store.ts'
import type { ByteChange, ByteStore } from './store.ts'

/** The folder of a task: `<subtopology>_<partition>`. */
export type TaskName = `${number}_${number}`

/** A folder with stores: that of a task, or of the global tables. */
export type StateFolder = TaskName | 'global'

export interface StateDirectoryOptions {
  readonly clock?: Clock
}

/** What is known about the folder of a task at the moment it is acquired. */
export interface AcquiredTask {
  readonly path: string
  /** How it was left: `none` when there is no folder, `unclean` after a crash or when nobody knows. */
  readonly left: 'none' | 'clean' | 'unclean'
  /** For how long nobody has followed the changelogs with these stores. Milliseconds; infinite when nobody knows. */
  readonly ageMs: number
}

interface TaskRecord {
  readonly state: 'held' | 'clean' | 'unclean'
  /** Clock time (milliseconds) of the change to that state. */
  readonly at: number
  /** How far the stores have come in their changelogs, as far as a holder has noted it. */
  readonly position?: number
}

/** Raised with every change to the layout below; what another version wrote is not touched. */
const stateFormat = '1'

const formatFile = 'format'
const metaFolder = 'meta'

const aliveKey = Buffer.from('alive')

/** A few short records: LevelDB need not reserve megabytes for them. */
const metaOptions = { cacheBytes: 64 * 1024, writeBufferBytes: 64 * 1024 }

/**
 * Takes possession of the state of an application on this machine:
 *
 *     <root>/<application>/format    version of this layout
 *     <root>/<application>/meta      which task folders were left clean, and when; its lock is the lock of the whole directory
 *     <root>/<application>/0_3       the stores of task 0_3
 *     <root>/<application>/global    the global tables
 *
 * The lock goes with the process, also after kill -9. Throws STATE_LOCKED while another process has it, STATE_FORMAT when another
 * version wrote the directory (nothing is written then), STATE_IO.
 */
export async function openStateDirectory(
  root: string,
  application: string,
  options: StateDirectoryOptions = {},
): Promise<StateDirectory> {
  const path = join(root, application)
  const format = await requireStateFormat(path)
  const meta = await openMeta(path)
  try {
    if (format === undefined) await onDisk(path, () => writeFile(join(path, formatFile), `${stateFormat}\n`))
    const records = await settledRecords(meta)
    return new StateDirectory(path, { meta, records, clock: options.clock ?? systemClock })
  } catch (error) {
    await meta.close()
    throw error
  }
}

interface OpenDirectory {
  readonly meta: ByteStore
  /** What `meta` holds of the tasks. */
  readonly records: Map<StateFolder, TaskRecord>
  readonly clock: Clock
}

/** The task folders of one application, and how each was left. */
export class StateDirectory implements AsyncDisposable {
  readonly path: string
  readonly #meta: ByteStore
  readonly #records: Map<StateFolder, TaskRecord>
  readonly #clock: Clock

  /** Use openStateDirectory. */
  constructor(path: string, { meta, records, clock }: OpenDirectory) {
    this.path = path
    this.#meta = meta
    this.#records = records
    this.#clock = clock
  }

  /** The tasks that have a folder. */
  async tasks(): Promise<TaskName[]> {
    return (await this.#folders()).filter(isTaskName)
  }

  async #folders(): Promise<StateFolder[]> {
    const names = await onDisk(this.path, () => readdir(this.path))
    return names.filter(isStateFolder)
  }

  /** Marks the task as in use: until it is released, it counts as left unclean. */
  async acquire(task: StateFolder): Promise<AcquiredTask> {
    const record = this.#records.get(task)
    if (record?.state === 'held') throw new StreamError('ILLEGAL_STATE', `task ${task} was acquired twice`)
    const exists = (await this.#folders()).includes(task)
    const ageMs = this.ageMs(task)
    await this.#record(task, 'held', record?.position)
    const left = record?.state ?? 'unclean'
    return { path: join(this.path, task), left: exists ? left : 'none', ageMs }
  }

  /** `clean`: its stores are closed, and hold all that was committed. `position`: how far they have come in their changelogs. */
  async release(task: StateFolder, left: 'clean' | 'unclean', position?: number): Promise<void> {
    await this.#record(task, left, position)
  }

  /**
   * How far the stores of the tasks that nobody holds have come in their changelogs, as far as it was noted. Those that nobody has
   * followed for longer than `maxAgeMs` are left out.
   */
  positions(maxAgeMs: number): Map<TaskName, number> {
    const free = [...this.#records].filter(([task, { state }]) => state !== 'held' && this.ageMs(task) <= maxAgeMs)
    return new Map(
      free.flatMap(([task, { position }]) =>
        position === undefined || !isTaskName(task) ? [] : [[task, position] as const],
      ),
    )
  }

  /** For how long nobody has held the task. Milliseconds; infinite when nobody knows. */
  ageMs(task: StateFolder): number {
    const record = this.#records.get(task)
    if (!record) return Number.POSITIVE_INFINITY
    return record.state === 'held' ? 0 : Math.max(0, this.#clock.now() - record.at)
  }

  /**
   * Notes that the held tasks are followed to this day, and how far they have come: for their age and their position after a crash. Call
   * it every minute or so.
   */
  async touch(positions: ReadonlyMap<TaskName, number> = new Map()): Promise<void> {
    const held = [...positions].flatMap(([task, position]) => {
      const record = this.#records.get(task)
      return record?.state === 'held' ? [[task, { ...record, position }] as const] : []
    })
    for (const [task, record] of held) this.#records.set(task, record)
    await this.#meta.write([
      { key: aliveKey, value: Buffer.from(String(this.#clock.now())) },
      ...held.map(([task, record]) => recordChange(taskKey(task), record)),
    ])
  }

  /** Deletes the folder of a task. Its stores must be closed; a held task stays held. */
  async remove(task: StateFolder): Promise<void> {
    const path = join(this.path, task)
    await onDisk(path, () => rm(path, { recursive: true, force: true }))
    if (this.#records.get(task)?.state === 'held') return
    this.#records.delete(task)
    await this.#meta.write([{ key: taskKey(task), value: null }])
  }

  /** Gives up the lock. Tasks that are still held count as left unclean. */
  async close(): Promise<void> {
    await this.#meta.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #record(task: StateFolder, state: TaskRecord['state'], position: number | undefined): Promise<void> {
    const record: TaskRecord = { state, at: this.#clock.now(), ...(position !== undefined && { position }) }
    await this.#meta.write([recordChange(taskKey(task), record)], { sync: true })
    this.#records.set(task, record)
  }
}

/** The path of the state of an application on this machine; undefined when there is none. Writes nothing. Throws STATE_IO. */
export async function findStateDirectory(root: string, application: string): Promise<string | undefined> {
  const path = join(root, application)
  return (await ownEntries(path)).length > 0 ? path : undefined
}

/**
 * Deletes the state of an application on this machine, of whatever version, and nothing else that lies in its folder. Throws STATE_LOCKED
 * while another process has it, STATE_IO.
 */
export async function removeStateDirectory(root: string, application: string): Promise<void> {
  const path = join(root, application)
  const entries = await ownEntries(path)
  if (entries.length === 0) return
  const meta = await openMeta(path)
  await meta.close()
  const remove = (name: string) => rm(join(path, name), { recursive: true, force: true })
  await onDisk(path, async () => {
    // What the marks speak of is gone before they are.
    for (const name of entries.filter(isStateFolder)) await remove(name)
    for (const name of [metaFolder, formatFile]) await remove(name)
    if ((await readdir(path)).length === 0) await rmdir(path)
  })
}

/** What this module has made in the folder; nothing when there is no folder. */
async function ownEntries(path: string): Promise<string[]> {
  const entries = await onDisk(path, () => readdir(path).catch(noneIfMissing))
  return entries.filter((name) => name === metaFolder || name === formatFile || isStateFolder(name))
}

function noneIfMissing(error: unknown): string[] {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
  throw error
}

async function openMeta(path: string): Promise<ByteStore> {
  const metaPath = join(path, metaFolder)
  try {
    // Without the marks every task counts as left unclean long ago, and is restored: slow, but right.
    return await openExpendableStore(metaPath, metaOptions)
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'STATE_LOCKED') throw error
    throw new StreamError('STATE_LOCKED', `the state directory ${path} is in use`, { cause: error })
  }
}

/** What is known of each task. Those that the last process still held when it ended were in use until its last sign of life. */
async function settledRecords(meta: ByteStore): Promise<Map<StateFolder, TaskRecord>> {
  const aliveAt = Number(Buffer.from(meta.get(aliveKey) ?? []).toString())
  const records = new Map<StateFolder, TaskRecord>()
  const changes: ByteChange[] = []
  for await (const [key, value] of meta.range({ gte: taskKey('') })) {
    const task = Buffer.from(key).toString().slice(taskPrefix.length)
    if (!isStateFolder(task)) continue
    const found = JSON.parse(Buffer.from(value).toString()) as TaskRecord
    const isHeld = found.state === 'held'
    const record: TaskRecord = isHeld ? { ...found, state: 'unclean', at: Math.max(found.at, aliveAt) } : found
    if (isHeld) changes.push(recordChange(key, record))
    records.set(task, record)
  }
  await meta.write(changes, { sync: true })
  return records
}

const taskPrefix = 'task/'

function taskKey(task: StateFolder | ''): Uint8Array {
  return Buffer.from(`${taskPrefix}${task}`)
}

function isTaskName(name: string): name is TaskName {
  return /^\d+_\d+$/.test(name)
}

function isStateFolder(name: string): name is StateFolder {
  return name === 'global' || isTaskName(name)
}

function recordChange(key: Uint8Array, record: TaskRecord): ByteChange {
  return { key, value: Buffer.from(JSON.stringify(record)) }
}

/**
 * The format of the state directory at `path`; undefined when there is none yet, or when a crash left the file empty. Throws STATE_FORMAT
 * when another version wrote it, STATE_IO. Writes nothing.
 */
export async function requireStateFormat(path: string): Promise<string | undefined> {
  const found = await readFormat(join(path, formatFile))
  if (found === undefined || found === stateFormat) return found
  const named = /^\d{1,9}$/.test(found) ? `format ${found}` : 'a format that cannot be read'
  throw new StreamError('STATE_FORMAT', `${path} has ${named}; this version reads format ${stateFormat}`)
}

async function readFormat(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim() || undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw toStreamError(error, 'STATE_IO', `${file} cannot be read`)
  }
}

async function onDisk<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `${path} cannot be used`)
  }
}
