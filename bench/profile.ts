import { readdirSync, readFileSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'

/** What a piece of work cost, and where its main thread was meanwhile. */
export interface Profile {
  /** CPU times, milliseconds: of all threads but the profiler's, of the main thread, and of those for input and output. */
  readonly cpuMs: number
  readonly mainMs: number
  readonly ioMs: number
  /** Share of the main thread's samples below a function whose `name file` matches. */
  readonly below: (what: RegExp) => number
}

/** Runs the work under V8's sampling profiler. Needs the names of threads, which Linux tells. */
export async function profiled(work: () => Promise<void>): Promise<Profile> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  const before = cpuTimes()
  await work()
  const after = cpuTimes()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  return {
    cpuMs: after.cpuMs - before.cpuMs,
    mainMs: after.mainMs - before.mainMs,
    ioMs: after.ioMs - before.ioMs,
    below: (what) => shareBelow(profile, what),
  }
}

/** Samples outside of JavaScript, most of them garbage collection, belong to nobody: they are left out on both sides. */
function shareBelow({ nodes, samples = [] }: Profiler.Profile, what: RegExp): number {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const children = (id: number): number[] => [id, ...(byId.get(id)?.children ?? []).flatMap(children)]
  const roots = nodes.filter(({ callFrame: { functionName, url } }) => what.test(`${functionName} ${url}`))
  const inside = new Set(roots.flatMap(({ id }) => children(id)))
  const counted = samples.filter((id) => !byId.get(id)?.callFrame.functionName.startsWith('('))
  return counted.filter((id) => inside.has(id)).length / counted.length
}

/** Ticks of the kernel's clock in /proc are a hundredth of a second on every architecture that Node runs on. */
const tickMs = 10

function cpuTimes() {
  const threads = readdirSync('/proc/self/task').map((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    const fields = stat.slice(end + 2).split(' ')
    return { name: stat.slice(stat.indexOf('(') + 1, end), ms: (Number(fields[11]) + Number(fields[12])) * tickMs }
  })
  const sum = (isCounted: (name: string) => boolean) =>
    threads.filter(({ name }) => isCounted(name)).reduce((total, { ms }) => total + ms, 0)
  const { user, system } = process.threadCpuUsage()
  // LevelDB's own thread was begun by one of libuv and bears its name.
  return {
    cpuMs: sum((name) => !name.startsWith('v8:Prof')),
    mainMs: (user + system) / 1000,
    ioMs: sum((name) => name.startsWith('libuv')),
  }
}
