import { describe, expect, test } from 'vitest'
import { coresOfProcess } from '../../src/embed/cores.ts'

/** The cores of a process that may run on eight, where these files are. */
function cores(files: Readonly<Record<string, string>>): number {
  return coresOfProcess(8, (path) => files[path])
}

describe('the cores of a process', () => {
  test('are those that it may run on where nothing limits it', () => {
    expect(cores({})).toBe(8)
    expect(cores({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': 'max 100000\n' })).toBe(8)
  })

  test.each([
    ['250000 100000', 2],
    ['200000 100000', 2],
    ['50000 100000', 1],
    ['1600000 100000', 8],
  ])('are those of the quota %s of a container with control groups of version 2', (quota, expected) => {
    expect(cores({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': `${quota}\n` })).toBe(expected)
  })

  test('are those of the tightest group above', () => {
    expect(
      cores({
        '/proc/self/cgroup': '0::/machine.slice/job/worker\n',
        '/sys/fs/cgroup/machine.slice/cpu.max': '300000 100000',
        '/sys/fs/cgroup/machine.slice/job/cpu.max': 'max 100000',
        '/sys/fs/cgroup/machine.slice/job/worker/cpu.max': '500000 100000',
      }),
    ).toBe(3)
  })

  test.each(['cpu,cpuacct', 'cpu'])('are those of a quota of version 1, mounted as %s', (name) => {
    const files = {
      '/proc/self/cgroup': `9:memory:/job\n4:${name}:/job\n1:name=systemd:/job\n`,
      [`/sys/fs/cgroup/${name}/job/cpu.cfs_quota_us`]: '400000\n',
      [`/sys/fs/cgroup/${name}/job/cpu.cfs_period_us`]: '100000\n',
    }

    expect(cores(files)).toBe(4)
  })

  test('are those of version 1 in a container, which knows its group only as the root of the mount', () => {
    const files = {
      '/proc/self/cgroup': '4:cpu,cpuacct:/docker/5f2a\n0::/\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    }

    expect(cores(files)).toBe(2)
    expect(cores({ ...files, '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n' })).toBe(8)
  })

  test('are at least one, whatever the files say', () => {
    expect(cores({ '/proc/self/cgroup': 'nonsense\n\n0::/', '/sys/fs/cgroup/cpu.max': 'nonsense' })).toBe(8)
    expect(coresOfProcess()).toBeGreaterThanOrEqual(1)
  })
})
