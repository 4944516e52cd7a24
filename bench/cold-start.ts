import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { modelFolder, modelName } from './embedding-work.ts'
import { compare, type Figure, rounded } from './measure.ts'

/** Process start to first vector, with the package as it is built, against process start to a loaded model of the runtime alone. */
export async function embedColdStart(): Promise<Figure> {
  const embed = pathToFileURL(join(buildPackage(), 'embed', 'index.js')).href
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => untilFirstLine('first-vector.mjs', embed, modelName),
    baseline: () => untilFirstLine('first-session.mjs', `${modelFolder}model_w8.onnx`),
    rounds: 41,
  })
  return {
    figure: 'embed.cold-start',
    value: rounded(1 / speedup),
    unit: 'x',
    detail: `process start to the first vector ${rounded(subjectMs / 1000)} s / to a loaded session of the runtime alone ${rounded(baselineMs / 1000)} s`,
  }
}

/** The package as it is built of this working tree: beside models and package.json, within reach of the dependencies. */
function buildPackage(): string {
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const folder = join(root, 'node_modules', '.cache', 'millrace-bench')
  mkdirSync(folder, { recursive: true })
  for (const name of ['models', 'package.json'])
    if (!existsSync(join(folder, name))) symlinkSync(join(root, name), join(folder, name))
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs'), join(folder, 'dist')], { stdio: 'inherit' })
  return join(folder, 'dist')
}

async function untilFirstLine(file: string, ...parameters: readonly string[]): Promise<void> {
  const entry = fileURLToPath(new URL(`./${file}`, import.meta.url))
  const child = spawn(process.execPath, [entry, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await ended
}
