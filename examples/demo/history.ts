import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** One event of the shipped edit history of the Rust book. */
interface Edit {
  readonly key: string
  readonly op: 'upsert' | 'delete'
  readonly text?: string
  readonly commit: string
}

const history = new URL('../../test/fixtures/change-streams/book-500.jsonl.gz', import.meta.url)

/** The commits in order, each with its edits to the chapters (files under `src/`). */
export function readCommits(): Edit[][] {
  const lines = gunzipSync(readFileSync(history)).toString('utf8').trim().split('\n')
  const edits = lines.map((line) => JSON.parse(line) as Edit)
  const commits = Map.groupBy(edits, (edit) => edit.commit)
  return [...commits.values()].map((commit) => commit.filter(({ key }) => key.startsWith('src/')))
}

/** Makes the folder look as after that commit; returns the number of files it touched. */
export async function applyCommit(folder: string, commit: readonly Edit[]): Promise<number> {
  for (const { key, op, text = '' } of commit) {
    const file = join(folder, key)
    if (op === 'delete') await rm(file, { force: true })
    else {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    }
  }
  return commit.length
}
