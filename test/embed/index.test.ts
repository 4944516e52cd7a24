import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('../../src/embed/', import.meta.url))

/** What is loaded with a file: its static imports, and theirs. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded
  loaded.add(file)
  if (!file.endsWith('.ts')) return loaded
  const source = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  for (const [, kind, specifier = ''] of source.matchAll(/^(?:import|export) (type )?[^'";]*?from '([^']+)'/gm))
    if (!kind) loadedWith(specifier.startsWith('.') ? join(file, '..', specifier) : specifier, loaded)
  return loaded
}

test.each([
  ['the native runtime', 'onnxruntime-node'],
  ['the tokenizer library', '@huggingface/tokenizers'],
  ['cryptography', 'node:crypto'],
  ['compression', 'node:zlib'],
  ['encryption', 'node:https'],
  ['the engine', join(folder, 'engine.ts')],
  ['the tokenizer', join(folder, 'wordpiece.ts')],
  ['the registry of models', join(folder, 'models/registry.ts')],
  ['what measures', join(folder, 'models/measure.ts')],
  ['what speaks with servers', join(folder, 'remote/replica.ts')],
  ['the tiers of the cache', join(folder, 'cache/tiers.ts')],
])('importing the package does not load %s: it takes time, and not every program needs it', (_what, part) => {
  const loaded = loadedWith(join(folder, 'index.ts'))

  expect(loaded).not.toContain(part)
  expect(loaded).toContain(join(folder, 'onnx.ts'))
})
