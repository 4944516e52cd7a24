import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** The text of a file; undefined when it cannot be read. */
export type ReadText = (path: string) => string | undefined

/**
 * Cores that this process may keep busy: those that it may run on, and no more than its CPU quota pays for. A process with more busy
 * threads than quota is stopped by the kernel for the rest of every period, event loop and all; so half a core is rounded down, to at
 * least 1.
 *
 * `availableParallelism` alone is not enough: of the quotas of cgroup version 1 it finds none inside a container.
 */
export function coresOfProcess(parallelism = availableParallelism(), read: ReadText = readText): number {
  const paid = Math.floor(cpuQuota(read))
  return Math.max(1, Math.min(parallelism, paid))
}

const mount = '/sys/fs/cgroup'

/** Cores that the control groups of this process pay for; infinite without a limit, or on a system that has no such groups. */
function cpuQuota(read: ReadText): number {
  const groups = (read('/proc/self/cgroup') ?? '').split('\n')
  const quotas = groups.flatMap((group) => {
    // hierarchy:controllers:path; version 2 names no controllers.
    const [, controllers = '', path = ''] = group.split(':')
    if (controllers === '')
      return path === '' ? [] : foldersOf(path).map((folder) => quotaOf2(`${mount}${folder}`, read))
    if (!controllers.split(',').includes('cpu')) return []
    return [...new Set([controllers, 'cpu'])].flatMap((name) =>
      foldersOf(path).map((folder) => quotaOf1(`${mount}/${name}${folder}`, read)),
    )
  })
  return Math.min(...quotas, Number.POSITIVE_INFINITY)
}

/** The folder of a group and those above it, whose limits hold as well. In a container only the last one, the root, may be there. */
function foldersOf(path: string): readonly string[] {
  const names = path.split('/').filter((name) => name !== '')
  return Array.from({ length: names.length + 1 }, (_, above) =>
    names
      .slice(0, names.length - above)
      .map((name) => `/${name}`)
      .join(''),
  )
}

/** `cpu.max` of version 2: quota and period, or `max` and period. */
function quotaOf2(folder: string, read: ReadText): number {
  const [quota = '', period = ''] = (read(`${folder}/cpu.max`) ?? '').split(' ')
  return ratioOf(quota, period)
}

/** Two files of version 1; -1 is no limit. */
function quotaOf1(folder: string, read: ReadText): number {
  return ratioOf(read(`${folder}/cpu.cfs_quota_us`) ?? '', read(`${folder}/cpu.cfs_period_us`) ?? '')
}

function ratioOf(quota: string, period: string): number {
  const ratio = Number.parseInt(quota, 10) / Number.parseInt(period, 10)
  return ratio > 0 ? ratio : Number.POSITIVE_INFINITY
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
