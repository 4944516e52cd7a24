import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { errorReason, isGone } from '../../connectors/files/file-errors.ts'
import { defaultModelsFolder } from '../../embed/models/model-card.ts'
import { type Precision, precisions } from '../../embed/models/weights.ts'
import { StreamError } from '../../errors.ts'

/** Which weights of a model are meant. */
export interface WeightsOptions {
  readonly precision?: Precision
  readonly file?: string
}

/** `MILLRACE_MODELS`, else a folder of the user's cache. */
export function modelsFolder(): string {
  return process.env.MILLRACE_MODELS || defaultModelsFolder
}

export function withWeightsOptions(command: Command): Command {
  return command
    .addOption(new Option('--precision <precision>', 'which weights to use').choices(precisions))
    .option('--file <path>', 'an ONNX file of the model, instead of the usual names')
}

/** Reads a bound: a part of 1. */
export function ratio(value: string): number {
  const number = Number(value)
  if (value.trim() !== '' && number >= 0 && number <= 1) return number
  throw new InvalidArgumentError('It must be a number from 0 to 1.')
}

/** The lines of a file that are not empty. Throws SOURCE_MISSING, SOURCE_UNREADABLE. */
export async function textsIn(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (isGone(cause))
      throw new StreamError('SOURCE_MISSING', `there is no file ${file}`, {
        fix: 'Name a file of texts, one a line.',
        cause,
      })
    throw new StreamError('SOURCE_UNREADABLE', `the file ${file} cannot be read: ${errorReason(cause)}`, { cause })
  })
  return text.split(/\r?\n/).filter((line) => line.trim() !== '')
}
