/**
 * Reads a field of a JSON value by its path: `author.name`, `tags.0`, or `/a.b/c` as JSON Pointer (RFC 6901). Undefined when there is none.
 * Only what the value itself holds is seen, nothing that it inherits.
 *
 * @example
 * fieldReader('author.name')({ author: { name: 'Ada' } }) // 'Ada'
 */
export function fieldReader(path: string): (value: unknown) => unknown {
  const parts = partsOf(path)
  return (value) => parts.reduce<unknown>(child, value)
}

function partsOf(path: string): readonly string[] {
  if (!path.startsWith('/')) return path.split('.')
  return path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function child(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value) && !/^\d+$/.test(name)) return undefined
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}
