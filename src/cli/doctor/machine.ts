import { readFile, stat, statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { type Clock, systemClock } from '../../clock.ts'

/** What checks want to know of the machine; tests make their own. */
export interface Machine {
  readonly clock: Clock
  /** `24.1.0` */
  readonly nodeVersion: string
  /** What this process may use: the limit of its container where it has one. Bytes. */
  readonly memoryBytes: number
  /** What is left for this user on the disk of an existing folder. Bytes. */
  freeBytes(folder: string): Promise<number>
  /** The process that holds a lock on the file, undefined when none does, or the system does not tell. */
  lockHolder(file: string): Promise<number | undefined>
}

export const thisMachine: Machine = {
  clock: systemClock,
  nodeVersion: process.versions.node,
  memoryBytes: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()),
  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
  lockHolder,
}

/**
 * Looks the file up in /proc/locks, because to take a lock is to write. Linux has it; a process of another container that shares the disk
 * is not in there.
 */
async function lockHolder(file: string): Promise<number | undefined> {
  try {
    const { ino } = await stat(file)
    const locks = await readFile('/proc/locks', 'utf8')
    // 1: POSIX  ADVISORY  WRITE 4711 fd:01:1835012 0 EOF
    const line = locks.split('\n').find((text) => /^\d+: POSIX/.test(text) && text.includes(`:${ino} `))
    return line === undefined ? undefined : Number(line.trim().split(/\s+/)[4])
  } catch {
    return undefined
  }
}
