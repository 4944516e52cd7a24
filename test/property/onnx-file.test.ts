import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readOnnxFile } from '../../src/embed/models/onnx-file.ts'
import { onnxFile } from '../support/onnx-graph.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { lookupGraph } from '../support/tiny-model.ts'

const graph = lookupGraph()
const model = onnxFile({ ...graph, tables: graph.tables.map((table) => ({ ...table, file: 'weights.bin' })) })

test('a file that is damaged anywhere is read as far as it goes, and never for ever', async () => {
  await using folder = await temporaryDirectory()
  const file = join(folder.path, 'model.onnx')
  const damage = fc.record({
    length: fc.nat(model.length),
    changes: fc.array(fc.tuple(fc.nat(model.length), fc.nat(255)), { maxLength: 8 }),
  })

  fc.assert(
    fc.property(damage, ({ length, changes }) => {
      const bytes = model.slice(0, length)
      for (const [at, value] of changes) if (at < length) bytes[at] = value
      writeFileSync(file, bytes)

      const { operators, externalFiles } = readOnnxFile(file)

      expect(operators.size).toBeLessThanOrEqual(length)
      expect(externalFiles.length).toBeLessThanOrEqual(length)
    }),
    { numRuns: 500 },
  )
})

test('bytes that are no model at all say nothing', async () => {
  await using folder = await temporaryDirectory()
  const file = join(folder.path, 'model.onnx')

  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      // Field 7, the graph; the example says that it has 2^56 bytes.
      writeFileSync(file, Uint8Array.of(0x3a, ...bytes))
      readOnnxFile(file)
    }),
    { numRuns: 500, examples: [[Uint8Array.from([...Array(7).fill(0xff), 0x7f, 0x3a, 0x01])]] },
  )
})

test('names are found wherever they lie, across the pieces in which a file is read too', async () => {
  await using folder = await temporaryDirectory()
  const file = join(folder.path, 'model.onnx')
  const operators = Array.from({ length: 300 }, (_, at) => `Kind${at}`)
  const [table = { name: '', shape: [], values: [] }] = graph.tables

  for (let padding = 0; padding < 64; padding++) {
    const inputs = ['x'.repeat(padding)]
    writeFileSync(
      file,
      onnxFile({
        ...graph,
        nodes: operators.map((operator) => ({ operator, inputs, outputs: ['y'] })),
        // The first one is jumped over; the name of the second lies anywhere.
        tables: [
          { name: 'inside', shape: [1_500], values: Array(1_500 + padding).fill(0) },
          ...Array.from({ length: 100 }, (_, at) => ({ ...table, file: `weights-${at}.bin` })),
        ],
      }),
    )

    const outline = readOnnxFile(file)

    expect([...outline.operators]).toEqual(operators)
    expect(outline.externalFiles).toHaveLength(100)
  }
})

test('a whole file names its operators and the files beside it', async () => {
  await using folder = await temporaryDirectory()
  const file = join(folder.path, 'model.onnx')
  writeFileSync(file, model)

  expect(readOnnxFile(file)).toEqual({ operators: new Set(['Gather']), externalFiles: ['weights.bin'] })
})
