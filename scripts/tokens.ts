/**
 * Plays recorded tokenizer vectors against the tokenizer of the bundled model: `npm run -s tokens -- FILE`.
 *
 * FILE has one JSON object `{text, ids}` a line, plain or compressed (.gz, .br). Exit code 1 when a text has other ids.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { WordPiece } from '../src/embed/wordpiece.ts'
import { loadWordPiece } from '../src/embed/wordpiece-model.ts'

const shownFailures = 5

interface TokenizerVector {
  readonly text: string
  readonly ids: readonly number[]
}

function readVectors(file: string): readonly TokenizerVector[] {
  const bytes = readFileSync(file)
  const plain = file.endsWith('.br') ? brotliDecompressSync(bytes) : file.endsWith('.gz') ? gunzipSync(bytes) : bytes
  const lines = plain.toString('utf8').split('\n')
  return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as TokenizerVector)
}

/** Recordings differ in what they keep: with or without the frame of start and end token, cut at the model's limit or whole. */
function formsOf(tokenizer: WordPiece, text: string): readonly (readonly number[])[] {
  return [256, Number.POSITIVE_INFINITY].flatMap((maxTokens) => {
    const framed = [...tokenizer.encode(text, maxTokens).ids]
    return [framed, framed.slice(1, -1)]
  })
}

function play(tokenizer: WordPiece, vectors: readonly TokenizerVector[]): number {
  let failed = 0
  for (const [at, vector] of vectors.entries()) {
    const forms = formsOf(tokenizer, vector.text)
    if (forms.some((form) => form.join() === vector.ids.join())) continue
    failed++
    if (failed <= shownFailures)
      console.log(
        `line ${at + 1}: ${JSON.stringify(vector.text)}\n  wanted ${vector.ids.join(' ')}\n  got    ${forms[0]?.join(' ')}`,
      )
  }
  console.log(`${vectors.length - failed} passed / ${failed} failed`)
  return failed
}

const [file] = process.argv.slice(2)
const tokenizer = await loadWordPiece(fileURLToPath(new URL('../models/all-MiniLM-L6-v2', import.meta.url)))
if (!file || !tokenizer) {
  console.error('Usage: npm run -s tokens -- FILE.jsonl[.gz|.br]')
  process.exitCode = 2
} else process.exitCode = play(tokenizer, readVectors(file)) === 0 ? 0 : 1
