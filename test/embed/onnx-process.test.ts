import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { lookupGraph, writeTinyModel } from '../support/tiny-model.ts'

const source = new URL('../../src/embed/onnx.ts', import.meta.url).href
const opening = (options: string) => `
  const { onnx } = await import('${source}')
  const embedder = onnx({ model: 'all-MiniLM-L6-v2', workers: 1, ${options} })`

test('a program that catches why an embedder did not open goes on', () => {
  const { status, stdout, stderr } = run(`
    ${opening('startTimeoutMs: 1')}
    try { await embedder.open() } catch ({ code }) { console.log(code) }
    // A rejection that nobody has caught ends the process before.
    setTimeout(() => console.log('goes on'), 50)`)

  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'EMBED_FAILED\ngoes on\n', stderr: '' })
})

test('a runtime that cannot be loaded is not the fault of the model', async () => {
  await using folder = await temporaryDirectory()
  const hook = join(folder.path, 'hook.cjs')
  writeFileSync(hook, "process.dlopen = () => { throw new Error('wrong CPU') }")

  const { stdout } = run(
    `
    ${opening('')}
    await embedder.open().catch(({ message }) => console.log(message))`,
    { NODE_OPTIONS: `--require ${hook}` },
  )

  expect(stdout).toMatch(
    /^DEVICE_UNUSABLE: .*worker 1 cannot start: ONNX Runtime cannot be loaded: wrong CPU.*Install onnxruntime-node/,
  )
})

test('a text that the runtime refuses is told by an error, and not printed', async () => {
  await using folder = await temporaryDirectory()
  const graph = lookupGraph()
  // Vectors for all tokens but the last two, of which "water" is one.
  const tables = graph.tables.map((table) => ({ ...table, shape: [6, 4], values: table.values.slice(0, 24) }))
  await writeTinyModel(folder.path, { graph: () => ({ ...graph, tables }) })

  const { stdout, stderr } = run(`
    ${opening(`model: '${folder.path}'`)}
    await embedder.open()
    await embedder.embed(['water'], AbortSignal.timeout(10_000)).catch(({ message }) => console.log(message))`)

  expect(stdout).toMatch(/^EMBED_TEXT: .*out of data bounds/)
  expect(stderr).toBe('')
})

test('a process that ends while a thread loads the runtime waits until it is loaded, and is not aborted', async () => {
  await using folder = await temporaryDirectory()
  const [hook, loading, exiting] = ['hook.cjs', 'loading', 'exiting'].map((name) => join(folder.path, name))
  if (!hook || !loading || !exiting) throw new Error('a name is missing')
  writeFileSync(hook, loadingThatWaitsForTheEnd(loading, exiting))

  const { status, stdout } = run(
    `
    import { existsSync, writeFileSync } from 'node:fs'
    process.on('exit', () => writeFileSync('${exiting}', ''))
    ${opening('')}
    embedder.open().catch(() => undefined)
    while (!existsSync('${loading}')) await new Promise((resolve) => setImmediate(resolve))
    process.exit(7)`,
    { NODE_OPTIONS: `--require ${hook}` },
  )

  expect({ status, stdout }).toEqual({ status: 7, stdout: 'loaded' })
})

/** Keeps a thread in the loading of a library until the process has begun to end, then loads it. Runs in each thread. */
function loadingThatWaitsForTheEnd(loading: string, exiting: string): string {
  return `
    const { existsSync, writeFileSync, writeSync } = require('node:fs')
    const load = process.dlopen
    process.dlopen = (...parameters) => {
      writeFileSync(${JSON.stringify(loading)}, '')
      const moment = new Int32Array(new SharedArrayBuffer(4))
      for (let tries = 0; tries < 1_000 && !existsSync(${JSON.stringify(exiting)}); tries++) Atomics.wait(moment, 0, 0, 5)
      load(...parameters)
      writeSync(1, 'loaded')
    }`
}

function run(script: string, environment: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    timeout: 30_000,
  })
  return { status, stdout, stderr }
}
