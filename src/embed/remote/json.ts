/** The value of a field, or undefined when `value` is no object or has none. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined
}

export function textOf(value: unknown, name: string): string | undefined {
  const field = fieldOf(value, name)
  return typeof field === 'string' ? field : undefined
}

/** The number in a field, or `otherwise` when there is no positive one. */
export function positiveOf(value: unknown, name: string, otherwise: number): number {
  const field = fieldOf(value, name)
  return typeof field === 'number' && field > 0 ? field : otherwise
}

export function listOf(value: unknown, name: string): readonly unknown[] | undefined {
  const field = fieldOf(value, name)
  return Array.isArray(field) ? field : undefined
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
