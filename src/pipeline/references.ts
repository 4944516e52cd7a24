import { interpolate, type References } from './interpolate.ts'
import { type Problem, problemAt } from './problem.ts'
import { mapScalars, type YamlNode } from './yaml-tree.ts'

/** The tree with what its references stand for, and which of them stand for nothing. */
export function resolved(
  root: YamlNode,
  references: References,
): { readonly tree: YamlNode; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const tree = mapScalars(root, (scalar, path) => {
    if (typeof scalar.value !== 'string') return scalar
    const { text, problems: own, origin } = interpolate(scalar.value, references)
    problems.push(...own.map((message) => problemAt(scalar, path, message)))
    if (own.length > 0) return { ...scalar, value: '', broken: true }
    return { ...scalar, value: text, ...(origin && { origin }) }
  })
  return { tree, problems }
}
