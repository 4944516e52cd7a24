#!/usr/bin/env -S node --max-semi-space-size=16 --disable-warning=ExperimentalWarning
import { needsNewerNode } from './node-version.ts'

// Nothing else may be imported before this: an older Node cannot even link the rest.
const complaint = needsNewerNode(process.versions.node)
if (complaint === undefined) {
  await import('./main.ts')
} else {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
}
