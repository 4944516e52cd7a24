import { Command, Option } from 'commander'
import { type ModelChoice, readModel } from '../../embed/models/model.ts'
import { type ModelReport, type Quality, type VerifyOptions, verifyModel } from '../../embed/models/verify.ts'
import { weightsAt } from '../../embed/models/weights.ts'
import type { Mode } from '../../embed/worker-protocol.ts'
import { StreamError } from '../../errors.ts'
import { StopSignals } from '../stop-signals.ts'
import { modelsFolder, ratio, textsIn, type WeightsOptions, withWeightsOptions } from './options.ts'

interface VerifyCommandOptions extends WeightsOptions {
  readonly mode: Mode
  readonly texts?: string
  readonly against?: string
  readonly minCosine: number
  readonly minRecall: number
  readonly json?: true
}

export function modelVerifyCommand(): Command {
  const command = new Command('verify')
    .description(
      'Check the hashes, tokenizer, shapes, golden text and first vectors of a model, and its vectors against another one.',
    )
    .argument('<model>', 'bundled or added model, or a folder')
  return withWeightsOptions(command)
    .addOption(new Option('--mode <mode>', 'arithmetic').choices(['exact', 'fast']).default('exact'))
    .option('--texts <file>', 'texts like yours, one a line')
    .option(
      '--against <model>',
      'the model whose vectors are right: its fp32 original (default: fp32 weights of its own folder)',
    )
    .option('--min-cosine <number>', 'least mean cosine of the vectors of a text', ratio, 0.999)
    .option('--min-recall <number>', 'least mean part of the 10 nearest texts that both find', ratio, 0.95)
    .option('--json', 'print the report as JSON')
    .action(verify)
}

async function verify(model: string, options: VerifyCommandOptions): Promise<void> {
  const { texts, against, minCosine, minRecall, json, mode, ...weights } = options
  if (against !== undefined && texts === undefined)
    throw new StreamError('USAGE', '--against needs texts to compare with', {
      fix: 'Give --texts <file>, one text a line.',
    })
  using stop = new StopSignals(() => process.stderr.write('stopping\n'))
  const folder = { modelsFolder: modelsFolder() }
  const right: VerifyOptions['against'] =
    texts === undefined ? undefined : { ...folder, model: against ?? model, precision: 'fp32' }
  if (right) await requireFp32(right.model, against === undefined ? { ...folder, ...weights } : folder)
  const report = await verifyModel({
    ...folder,
    ...weights,
    model,
    mode,
    against: right,
    texts: texts === undefined ? [] : await textsIn(texts),
    signal: stop.signal,
  })
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : asText(report))
  if (report.quality) refuseInexact(report.quality, { model, minCosine, minRecall })
}

async function requireFp32(nameOrFolder: string, choice: ModelChoice): Promise<void> {
  const { name, folder } = await readModel(nameOrFolder, choice)
  if (weightsAt(folder, { precision: 'fp32' }) !== undefined) return
  throw new StreamError('MODEL_MISSING', `model "${name}" has no fp32 weights to compare with`, {
    fix: 'Give --against <model>: one that has them, such as its fp32 original.',
  })
}

function refuseInexact(
  { cosine, recall, k, texts }: Quality,
  bounds: { model: string; minCosine: number; minRecall: number },
): void {
  const { model, minCosine, minRecall } = bounds
  const below = [
    ...(cosine.mean < minCosine ? [`a mean cosine of ${digits(cosine.mean)}, below ${minCosine}`] : []),
    ...(recall < minRecall ? [`a recall@${k} of ${digits(recall)}, below ${minRecall}`] : []),
  ]
  if (below.length > 0)
    throw new StreamError('MODEL_INEXACT', `on ${texts} texts model "${model}" reaches ${below.join(', and ')}`)
}

function asText({
  id,
  weights,
  dimensions,
  maxTokens,
  pinnedFiles,
  hasGolden,
  sampleTexts,
  quality,
}: ModelReport): string {
  const lines = [
    `id:       ${id}`,
    `weights:  ${weights}`,
    `shape:    ${dimensions} dimensions, ${maxTokens} tokens, as its config says`,
    `files:    ${pinnedFiles > 0 ? `${pinnedFiles} have the SHA-256 that they are pinned to` : 'not pinned; `model add` pins them'}`,
    `golden:   ${hasGolden ? 'gives the vector that was recorded' : 'none recorded'}`,
    `trial:    gives usable vectors for ${sampleTexts} sample texts, and knows the tokens of its tokenizer`,
  ]
  if (quality)
    lines.push(
      `against:  ${quality.against}, on ${quality.texts} texts`,
      `cosine:   ${digits(quality.cosine.mean)} mean, ${digits(quality.cosine.least)} least`,
      `recall:   ${digits(quality.recall)} of the ${quality.k} nearest texts`,
    )
  return `${lines.join('\n')}\n`
}

function digits(value: number): string {
  return value.toFixed(5)
}
