/** Any value that a serde may give, as data that JSON can write: bytes in hexadecimal, vectors as lists, big integers as text. */
export function plainData(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Map) return [...value].map(([key, item]) => [plainData(key), plainData(item)])
  if (isList(value)) return Array.from(value, plainData)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainData(item)]))
}

function isList(value: object): value is Iterable<unknown> {
  return Array.isArray(value) || value instanceof Set || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}
