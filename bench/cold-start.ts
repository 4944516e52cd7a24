import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { modelFolder, modelName } from './embedding-work.ts'
import { compare, type Figure, rounded } from './measure.ts'

/** Process start to first vector against process start to a loaded model of the runtime alone; both from the package as it is built. */
export async function embedColdStart(): Promise<Figure> {
  const embed = buildEmbed()
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => untilFirstLine(['first-vector.mjs', join(embed, 'index.js'), modelName]),
    baseline: () => untilFirstLine(['first-session.mjs', join(embed, 'session.js'), `${modelFolder}model_w8.onnx`]),
    rounds: 15,
  })
  return {
    figure: 'embed.cold-start',
    value: rounded(1 / speedup),
    unit: 'x',
    detail: `process start to the first vector ${rounded(subjectMs / 1000)} s / to a loaded session of the runtime alone ${rounded(baselineMs / 1000)} s`,
  }
}

/** The compiled `embed` folder of this working tree, as in the package: beside models and package.json, within reach of the dependencies. */
function buildEmbed(): string {
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const folder = join(root, 'node_modules', '.cache', 'millrace-bench')
  mkdirSync(folder, { recursive: true })
  for (const name of ['models', 'package.json'])
    if (!existsSync(join(folder, name))) symlinkSync(join(root, name), join(folder, name))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const options = ['--project', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')]
  spawnSync(process.execPath, [compiler, ...options], { stdio: 'inherit' })
  return join(folder, 'dist', 'embed')
}

async function untilFirstLine([file, module, argument]: readonly [string, string, string]): Promise<void> {
  const entry = fileURLToPath(new URL(`./${file}`, import.meta.url))
  const child = spawn(process.execPath, [entry, pathToFileURL(module).href, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await ended
}
