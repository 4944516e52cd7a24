import { StreamError } from '../../errors.ts'
import type { Mode } from '../worker-protocol.ts'
import type { Model, ModelUse } from './model.ts'
import { dependsOnCompany } from './model-files.ts'
import type { Precision } from './weights.ts'

export interface ModelUseOptions {
  readonly mode?: Mode | undefined
  readonly prefix?: string | undefined
  readonly queryPrefix?: string | undefined
  readonly dimensions?: number | undefined
}

/** What the user said, and what the model says about the rest. Throws CONFIG_INVALID for a cut that is none. */
export function modelUse(model: Model, options: ModelUseOptions): Required<ModelUse> {
  const { mode = 'exact', dimensions = model.dimensions } = options
  const { prefix = model.prompts.passage, queryPrefix = model.prompts.query } = options
  if (dimensions <= model.dimensions) return { mode, prefix, queryPrefix, dimensions }
  const fact = `dimensions must be at most ${model.dimensions}, what model "${model.name}" gives, not ${dimensions}`
  throw new StreamError('CONFIG_INVALID', fact)
}

/**
 * Whether every text has to run alone. Throws MODEL_INVALID when it has to because of weights that nobody asked for: a vector of theirs
 * would depend on the other texts of its batch.
 */
export function runsAlone(model: Model, precision: Precision | undefined): boolean {
  if (!dependsOnCompany(model)) return false
  if (precision === 'int8-dynamic') return true
  throw new StreamError(
    'MODEL_INVALID',
    `the weights of model "${model.name}" scale int8 activations by all that is in a run, which costs precision`,
    { fix: "Choose other weights, or ask for these with the precision 'int8-dynamic': every text runs alone then." },
  )
}
