import type { Path, Place } from './problem.ts'

/** A YAML file whose every value knows where it stands. */
export type YamlNode = YamlScalar | YamlMap | YamlList

export interface YamlScalar extends Place {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** The value came, in whole or in part, from outside of the file. */
  readonly origin?: 'environment' | 'file'
  /** There is no value, and that has been told. */
  readonly broken?: true
}

export interface YamlMap extends Place {
  readonly kind: 'map'
  readonly entries: readonly YamlEntry[]
}

export interface YamlEntry {
  readonly key: string
  readonly keyPlace: Place
  readonly node: YamlNode
}

export interface YamlList extends Place {
  readonly kind: 'list'
  readonly items: readonly YamlNode[]
}

/** A scalar and how to get to it. */
export interface LocatedScalar {
  readonly path: Path
  readonly scalar: YamlScalar
}

/** Plain data. A key without a value is as if it were not there, if it is one that `isKnown`. */
export function dataOf(node: YamlNode, isKnown: (path: Path) => boolean, path: Path = []): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map((item, at) => dataOf(item, isKnown, [...path, at]))
  const given = node.entries.filter(({ key, node }) => !(isEmpty(node) && isKnown([...path, key])))
  return Object.fromEntries(given.map(({ key, node }) => [key, dataOf(node, isKnown, [...path, key])]))
}

function isEmpty(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === null
}

/** Every scalar, in the order of the file. */
export function scalarsOf(node: YamlNode, path: Path = []): readonly LocatedScalar[] {
  if (node.kind === 'scalar') return [{ path, scalar: node }]
  if (node.kind === 'list') return node.items.flatMap((item, at) => scalarsOf(item, [...path, at]))
  return node.entries.flatMap(({ key, node }) => scalarsOf(node, [...path, key]))
}

/** The tree with other scalars. */
export function mapScalars(
  node: YamlNode,
  change: (scalar: YamlScalar, path: Path) => YamlScalar,
  path: Path = [],
): YamlNode {
  if (node.kind === 'scalar') return change(node, path)
  if (node.kind === 'list')
    return { ...node, items: node.items.map((item, at) => mapScalars(item, change, [...path, at])) }
  const entries = node.entries.map((entry) => ({
    ...entry,
    node: mapScalars(entry.node, change, [...path, entry.key]),
  }))
  return { ...node, entries }
}

/** Where a value stands; for one that is missing, the key of what it is missing in. */
export function placeOf(root: YamlNode, path: Path): Place {
  let node = root
  let place: Place = { line: 1, column: 1 }
  for (const part of path) {
    const child = childOf(node, part)
    if (!child) return place
    node = child.node
    place = child.place
  }
  return path.length > 0 && node.kind === 'scalar' && node.value !== null ? node : place
}

/** Where a key stands. */
export function keyPlaceOf(root: YamlNode, path: Path): Place {
  const parent = path.slice(0, -1).reduce<YamlNode | undefined>((node, part) => node && childOf(node, part)?.node, root)
  const last = path.at(-1)
  return (parent && last !== undefined && childOf(parent, last)?.place) || placeOf(root, path)
}

function childOf(
  node: YamlNode,
  part: string | number,
): { readonly node: YamlNode; readonly place: Place } | undefined {
  if (node.kind === 'map') {
    const entry = node.entries.find(({ key }) => key === part)
    return entry && { node: entry.node, place: entry.keyPlace }
  }
  const item = node.kind === 'list' && typeof part === 'number' ? node.items[part] : undefined
  return item && { node: item, place: item }
}
