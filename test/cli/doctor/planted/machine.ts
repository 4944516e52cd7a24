import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fault } from './fault.ts'

/** Around the process: Node, memory, disk, settings. */
export const machineFaults: readonly Fault[] = [
  {
    name: 'a Node that is too old',
    plant: (bench) => {
      bench.machine = { nodeVersion: '20.11.0' }
    },
    expected: { level: 'problem', check: 'node', fact: /Node 20\.11\.0/, fix: /Install a newer one/ },
  },
  {
    name: 'a container with less memory than tasks may hold',
    plant: (bench) => {
      bench.machine = { memoryBytes: 512 * 1024 * 1024 }
    },
    expected: {
      level: 'warning',
      check: 'memory',
      fact: /4 tasks may come to hold 608 MiB, and this process may use 512 MiB/,
      fix: /Raise the memory limit/,
    },
  },
  {
    name: 'a state folder that cannot be written',
    plant: async (bench) => {
      await writeFile(join(bench.folder.path, 'app'), 'a file stands in the way')
    },
    expected: { level: 'problem', check: 'state folder', fact: /cannot be written: ENOTDIR/, fix: /--state/ },
  },
  {
    name: 'a state folder of another version',
    plant: async (bench) => {
      await mkdir(join(bench.folder.path, 'app'))
      await writeFile(join(bench.folder.path, 'app', 'format'), '7\n')
    },
    expected: {
      level: 'problem',
      check: 'state folder',
      fact: /has format 7; this version reads format 1/,
      fix: /the changelog restores it/,
    },
  },
  {
    name: 'a state folder that another process works in',
    plant: (bench) => {
      bench.machine = { lockHolder: async (file) => (file.endsWith('/app/meta/LOCK') ? 4711 : undefined) }
    },
    expected: { level: 'warning', check: 'state folder', fact: /process 4711 works in/, fix: /a folder of its own/ },
  },
  {
    name: 'a disk that is full',
    plant: (bench) => {
      bench.machine = { freeBytes: async () => 100 * 1024 * 1024 }
    },
    expected: { level: 'problem', check: 'disk', fact: /100 MiB are left/, fix: /Free or add disk/ },
  },
  {
    name: 'a session that ends before a request to the index does',
    plant: (bench) => {
      bench.settings = { ...bench.settings, sessionTimeoutMs: 20_000 }
    },
    expected: {
      level: 'problem',
      check: 'timeouts',
      fact: /20000 ms, more than half of sessionTimeoutMs/,
      fix: /Lower `requestTimeoutMs` of the index, or raise `sessionTimeoutMs`/,
    },
  },
]
