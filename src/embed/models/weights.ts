import { readdirSync } from 'node:fs'
import { isAbsolute, join, normalize, sep } from 'node:path'
import { StreamError } from '../../errors.ts'
import { isFile } from './json-file.ts'

/**
 * How weights are stored, and what is computed with them.
 *
 * - `fp32`: the reference.
 * - `fp16`: half precision.
 * - `int8`: weights only, in blocks; the vector of a text does not depend on its company.
 * - `int8-dynamic`: activations too, scaled by the largest number of the run: fast on processors with int8 instructions, and a vector
 *   depends on everything in its batch. So it has to be asked for, and every text runs alone.
 */
export type Precision = 'fp32' | 'fp16' | 'int8' | 'int8-dynamic'

export const precisions: readonly Precision[] = ['fp32', 'fp16', 'int8', 'int8-dynamic']

/** Names under which each precision is published, in the folder of a model or its folder `onnx`; the first one that is there is used. */
const names: Readonly<Record<Precision, readonly string[]>> = {
  fp32: ['model.onnx'],
  fp16: ['model_fp16.onnx'],
  int8: ['model_w8.onnx'],
  'int8-dynamic': ['model_int8.onnx', 'model_quantized.onnx'],
}

/** Without a wish the smaller one of the two whose vectors do not depend on their company. */
const standard: readonly string[] = [...names.int8, ...names.fp32].flatMap(inFolders)

export interface WeightsChoice {
  readonly precision?: Precision | undefined
  /** A file of the folder, by its path from there. */
  readonly file?: string | undefined
}

/** Path of the ONNX file to use. Throws MODEL_MISSING when it is not there, CONFIG_INVALID when it lies outside. */
export function findWeights(folder: string, choice: WeightsChoice): string {
  const { file } = choice
  if (file !== undefined && leaves(file))
    throw new StreamError('CONFIG_INVALID', `file "${file}" does not lie in the folder of the model`)
  const found = weightsAt(folder, choice)
  if (found) return found
  const others = ['.', 'onnx'].flatMap((place) => onnxFilesIn(folder, place))
  throw new StreamError(
    'MODEL_MISSING',
    `${folder} has none of ${candidatesOf(choice).join(', ')}${others.length > 0 ? `; it has ${others.join(', ')}` : ''}`,
  )
}

/** The same; undefined when it is not there. */
export function weightsAt(folder: string, choice: WeightsChoice): string | undefined {
  return candidatesOf(choice)
    .map((name) => join(folder, name))
    .find(isFile)
}

/** The precisions that a folder has weights of: first the one that is used without a wish, then from the most exact on. */
export function precisionsIn(folder: string): readonly Precision[] {
  const [first] = (['int8', 'fp32'] as const).filter((precision) => weightsAt(folder, { precision }))
  const others = precisions.filter((precision) => precision !== first && weightsAt(folder, { precision }))
  return first ? [first, ...others] : others
}

/** Where the weights may lie, best first. */
export function candidatesOf({ precision, file }: WeightsChoice): readonly string[] {
  if (file !== undefined) return [file]
  return precision === undefined ? standard : names[precision].flatMap(inFolders)
}

/** True for a path that does not stay in the folder that it starts from. */
export function leaves(path: string): boolean {
  const parts = path.split(/[\\/]/)
  return (
    path === '' ||
    isAbsolute(path) ||
    parts.includes('..') ||
    normalize(path).startsWith(`..${sep}`) ||
    /^[A-Za-z]:/.test(path)
  )
}

function inFolders(name: string): readonly string[] {
  return [name, `onnx/${name}`]
}

function onnxFilesIn(folder: string, place: string): readonly string[] {
  try {
    return readdirSync(join(folder, place)).flatMap((name) => (name.endsWith('.onnx') ? [join(place, name)] : []))
  } catch {
    return []
  }
}
