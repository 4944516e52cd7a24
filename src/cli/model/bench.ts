import { Command, Option } from 'commander'
import { systemClock } from '../../clock.ts'
import { workersFor } from '../../embed/execution-provider.ts'
import { type Measurement, measure, type Tuning } from '../../embed/models/measure.ts'
import { type Constraints, optimizeForConstraints } from '../../embed/models/optimize.ts'
import { onnx } from '../../embed/onnx.ts'
import type { OnnxOptions } from '../../embed/onnx-options.ts'
import { StopSignals } from '../stop-signals.ts'
import { tableOf } from '../table.ts'
import { wholeNumber } from '../whole-number.ts'
import { modelsFolder, textsIn, type WeightsOptions, withWeightsOptions } from './options.ts'

interface BenchOptions extends WeightsOptions {
  readonly texts?: string
  readonly mode: NonNullable<OnnxOptions['mode']>
  readonly workers?: number
  readonly maxBatchTokens?: number
  readonly optimize?: true
  readonly anyPrecision?: true
  readonly maxMemoryMb?: number
  readonly targetPerSecond?: number
  readonly maxLatencyMs?: number
  readonly json?: true
}

export function modelBenchCommand(): Command {
  const command = new Command('bench')
    .description('Measure a model on this machine: texts and tokens a second, latency of one text, memory.')
    .argument('<model>', 'bundled or added model, or a folder')
  return withWeightsOptions(command)
    .option('--texts <file>', 'texts like yours, one a line (default: English texts of 8 to 112 words)')
    .addOption(new Option('--mode <mode>', 'arithmetic').choices(['exact', 'fast']).default('exact'))
    .option('--workers <number>', 'worker threads (default: one a core, at most 8)', wholeNumber)
    .option('--max-batch-tokens <number>', 'rows x longest row of a batch (default: that of the embedder)', wholeNumber)
    .option('--optimize', 'measure several settings and choose; with --mode fast it may choose that too')
    .option('--any-precision', 'with --optimize: it may choose any precision that the model has weights of')
    .option('--max-memory-mb <number>', 'memory that the process may take', wholeNumber)
    .option('--target-per-second <number>', 'texts that it has to embed', wholeNumber)
    .option('--max-latency-ms <number>', 'time that one text may take', wholeNumber)
    .option('--json', 'print the figures as JSON')
    .action(bench)
}

async function bench(model: string, options: BenchOptions): Promise<void> {
  using stop = new StopSignals(() => process.stderr.write('stopping\n'))
  const texts = options.texts === undefined ? undefined : await textsIn(options.texts)
  const { precision, file } = options
  const weights = { ...(precision && { precision }), ...(file !== undefined && { file }) }
  const bench: Bench = { ...weights, model, modelsFolder: modelsFolder(), texts, signal: stop.signal }
  const constraints = constraintsOf(options)
  const isSearch = options.optimize === true || Object.keys(constraints).length > 0
  await (isSearch ? searchSettings(bench, constraints, options) : measureOnce(bench, options))
}

interface Bench extends OnnxOptions {
  readonly texts: readonly string[] | undefined
  readonly signal: AbortSignal
}

async function measureOnce({ texts, signal, ...model }: Bench, options: BenchOptions): Promise<void> {
  const { mode, workers = workersFor('cpu'), maxBatchTokens, json } = options
  const make = (tuning: Tuning) => onnx({ ...model, ...tuning })
  const measuring = { make, texts, durationMs: 2_000, clock: systemClock, signal }
  const tuning = { mode, workers, ...(maxBatchTokens !== undefined && { maxBatchTokens }) }
  const measurement = await measure(tuning, measuring)
  process.stdout.write(json ? `${JSON.stringify(measurement)}\n` : tableOfAll([measurement]))
}

async function searchSettings(
  { texts, ...model }: Bench,
  constraints: Constraints,
  { mode, workers, anyPrecision, json }: BenchOptions,
): Promise<void> {
  const { options, measurement, unreachable, notes, tried } = await optimizeForConstraints(constraints, {
    ...model,
    ...(texts && { texts }),
    ...(workers !== undefined && { maxWorkers: workers }),
    modes: mode === 'fast' ? ['exact', 'fast'] : ['exact'],
    ...(anyPrecision && { precisions: 'all' }),
  })
  if (json) process.stdout.write(`${JSON.stringify({ options, measurement, unreachable, notes, tried })}\n`)
  else process.stdout.write(`${tableOfAll(tried)}chosen: ${JSON.stringify(options)}\n`)
  for (const fact of [...notes, ...unreachable]) process.stderr.write(`${fact}\n`)
  if (unreachable.length > 0) process.exitCode = 1
}

function constraintsOf({ maxMemoryMb, targetPerSecond, maxLatencyMs }: BenchOptions): Constraints {
  return {
    ...(maxMemoryMb !== undefined && { maxMemoryMb }),
    ...(targetPerSecond !== undefined && { targetPerSecond }),
    ...(maxLatencyMs !== undefined && { maxLatencyMs }),
  }
}

function tableOfAll(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ workers, maxBatchTokens, mode, precision, ...figures }) =>
    [
      workers ?? '-',
      maxBatchTokens ?? 'default',
      mode ?? '-',
      precision ?? 'default',
      Math.round(figures.textsPerSecond),
      Math.round(figures.tokensPerSecond),
      figures.latencyMs.p50,
      figures.latencyMs.p95,
      figures.memoryMb,
    ].map(String),
  )
  const titles = [
    'workers',
    'batch tokens',
    'mode',
    'precision',
    'texts/s',
    'tokens/s',
    'p50 ms',
    'p95 ms',
    'memory MiB',
  ]
  return tableOf([titles, ...rows])
}
