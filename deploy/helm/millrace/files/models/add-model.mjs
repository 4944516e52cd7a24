// Adds a model before the pipeline starts, unless it is there and whole: a restart must not need the hub.
//   node add-model.mjs <model> [flags of `millrace model add`]
import { spawnSync } from 'node:child_process'

const [model, ...flags] = process.argv.slice(2)
const verified = spawnSync('millrace', ['model', 'verify', model, ...flags], { stdio: 'ignore' })
if (verified.status === 0) {
  process.stdout.write(`${model} is there\n`)
} else {
  const { status, error } = spawnSync('millrace', ['model', 'add', model, ...flags], { stdio: 'inherit' })
  if (error) throw error
  process.exitCode = status ?? 1
}
