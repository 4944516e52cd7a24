import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { isStreamError, StreamError, toStreamError } from '../errors.ts'
import { openLevelStore } from './level-store.ts'
import type { ByteChange, ByteStore } from './store.ts'

/** The folder of a task: `<subtopology>_<partition>`. */
export type TaskName = `${number}_${number}`

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
}

/** Raised with every change to the layout below; what another version wrote is not touched. */
const formatVersion = 1

const aliveKey = Buffer.from('alive')

/** A few short records: LevelDB need not reserve megabytes for them. */
const metaOptions = { cacheBytes: 64 * 1024, writeBufferBytes: 64 * 1024 }

/**
 * Takes possession of the state of an application on this machine:
 *
 *     <root>/<application>/format    version of this layout
 *     <root>/<application>/meta      which task folders were left clean, and when; its lock is the lock of the whole directory
 *     <root>/<application>/0_3       the stores of task 0_3
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
  const formatFile = join(path, 'format')
  const found = await readFormat(formatFile)
  if (found !== undefined && found !== String(formatVersion)) {
    throw new StreamError('STATE_FORMAT', `${path} has format ${found}; this version reads format ${formatVersion}`)
  }
  const meta = await openMeta(path)
  try {
    if (found === undefined) await onDisk(formatFile, () => writeFile(formatFile, `${formatVersion}\n`))
    await settleHeldTasks(meta)
  } catch (error) {
    await meta.close()
    throw error
  }
  return new StateDirectory(path, meta, options.clock ?? systemClock)
}

/** The task folders of one application, and how each was left. */
export class StateDirectory implements AsyncDisposable {
  readonly path: string
  readonly #meta: ByteStore
  readonly #clock: Clock

  /** Use openStateDirectory. */
  constructor(path: string, meta: ByteStore, clock: Clock) {
    this.path = path
    this.#meta = meta
    this.#clock = clock
  }

  /** The tasks that have a folder. */
  async tasks(): Promise<TaskName[]> {
    const names = await onDisk(this.path, () => readdir(this.path))
    return names.filter(isTaskName)
  }

  /** Marks the task as in use: until it is released, it counts as left unclean. */
  async acquire(task: TaskName): Promise<AcquiredTask> {
    const record = readRecord(this.#meta, taskKey(task))
    if (record?.state === 'held') throw new StreamError('ILLEGAL_STATE', `task ${task} was acquired twice`)
    const exists = (await this.tasks()).includes(task)
    const ageMs = this.ageMs(task)
    await this.#record(task, 'held')
    const left = record?.state ?? 'unclean'
    return { path: join(this.path, task), left: exists ? left : 'none', ageMs }
  }

  /** `clean`: its stores are closed, and hold all that was committed. */
  async release(task: TaskName, left: 'clean' | 'unclean'): Promise<void> {
    await this.#record(task, left)
  }

  /** For how long nobody has held the task. Milliseconds; infinite when nobody knows. */
  ageMs(task: TaskName): number {
    const record = readRecord(this.#meta, taskKey(task))
    if (!record) return Number.POSITIVE_INFINITY
    return record.state === 'held' ? 0 : Math.max(0, this.#clock.now() - record.at)
  }

  /** Records that the held tasks are followed to this day, for the age of their stores after a crash. Call it every minute or so. */
  async touch(): Promise<void> {
    await this.#meta.write([{ key: aliveKey, value: Buffer.from(String(this.#clock.now())) }])
  }

  /** Deletes the folder of a task. Its stores must be closed; a held task stays held. */
  async remove(task: TaskName): Promise<void> {
    const path = join(this.path, task)
    await onDisk(path, () => rm(path, { recursive: true, force: true }))
    if (readRecord(this.#meta, taskKey(task))?.state !== 'held') {
      await this.#meta.write([{ key: taskKey(task), value: null }])
    }
  }

  /** Gives up the lock. Tasks that are still held count as left unclean. */
  async close(): Promise<void> {
    await this.#meta.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #record(task: TaskName, state: TaskRecord['state']): Promise<void> {
    await this.#meta.write([recordChange(taskKey(task), { state, at: this.#clock.now() })], { sync: true })
  }
}

async function openMeta(path: string): Promise<ByteStore> {
  const metaPath = join(path, 'meta')
  try {
    return await openLevelStore(metaPath, metaOptions)
  } catch (error) {
    if (isStreamError(error) && error.code === 'STATE_LOCKED') {
      throw new StreamError('STATE_LOCKED', `the state directory ${path} is in use`, { cause: error })
    }
    if (!isStreamError(error) || error.code !== 'STATE_CORRUPT') throw error
    // Without the marks every task counts as left unclean long ago, and is restored: slow, but right.
    await onDisk(metaPath, () => rm(metaPath, { recursive: true }))
    return openLevelStore(metaPath, metaOptions)
  }
}

/** Tasks that the last process still held when it ended were in use until its last sign of life. */
async function settleHeldTasks(meta: ByteStore): Promise<void> {
  const aliveAt = Number(Buffer.from(meta.get(aliveKey) ?? []).toString())
  const changes: ByteChange[] = []
  for await (const [key] of meta.range({ gte: taskKey('') })) {
    const record = readRecord(meta, key)
    if (record?.state !== 'held') continue
    changes.push(recordChange(key, { state: 'unclean', at: Math.max(record.at, aliveAt) }))
  }
  await meta.write(changes, { sync: true })
}

function taskKey(task: TaskName | ''): Uint8Array {
  return Buffer.from(`task/${task}`)
}

function isTaskName(name: string): name is TaskName {
  return /^\d+_\d+$/.test(name)
}

function readRecord(meta: ByteStore, key: Uint8Array): TaskRecord | undefined {
  const stored = meta.get(key)
  return stored && (JSON.parse(Buffer.from(stored).toString()) as TaskRecord)
}

function recordChange(key: Uint8Array, record: TaskRecord): ByteChange {
  return { key, value: Buffer.from(JSON.stringify(record)) }
}

/** Undefined when there is none yet, or when a crash left the file empty. */
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
