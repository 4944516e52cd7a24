import { StreamError } from './errors.ts'

/**
 * What a stage of an index pipeline takes from the stage before it. The compiler knows it too, but nothing compiles a topology file that
 * is only run.
 */
const shapes = {
  'chunks of a document': {
    fits: (value: object) => 'chunks' in value && Array.isArray(value.chunks),
    fix: 'Put `chunk` before it, with nothing in between that makes other values.',
  },
  'the change of a document': {
    fits: (value: object) => 'upserts' in value && Array.isArray(value.upserts),
    fix: 'Put `diff` before it, with nothing in between that makes other values.',
  },
  'operations of an index': {
    fits: (value: object) => Array.isArray(value) && value.every(isOperation),
    fix: 'Put `embed` before it, with nothing in between that makes other values.',
  },
} as const

export type Shape = keyof typeof shapes

/** Throws CONFIG_INVALID, which is fatal: every record would fail like this one. Null, a tombstone, fits everywhere. */
export function requireShape(receiver: string, value: unknown, shape: Shape): void {
  const { fits, fix } = shapes[shape]
  if (value === null || (typeof value === 'object' && fits(value))) return
  throw new StreamError('CONFIG_INVALID', `${receiver} takes ${shape} and was handed something else`, { fix })
}

function isOperation(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  return value.kind === 'upsert' || value.kind === 'set-payload' || value.kind === 'delete'
}
