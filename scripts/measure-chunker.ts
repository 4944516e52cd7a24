// Prints what the chunker with default settings does on change streams: node scripts/measure-chunker.ts FILE...
import { createChunker } from '../src/operators/chunker/chunker.ts'
import { markdown } from '../src/operators/chunker/markdown.ts'
import { changeStream } from '../test/support/change-stream.ts'
import { chunkerFigures } from '../test/support/chunker-figures.ts'

for (const file of process.argv.slice(2)) {
  const figures = chunkerFigures(changeStream(file), createChunker(markdown))
  console.log(file)
  console.table(
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toPrecision(4))])),
  )
}
